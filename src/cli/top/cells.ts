/** What stands in the place of a character that must not reach a terminal. */
const STAND_IN = '\ufffd';

/**
 * Text from elsewhere, fit for a terminal: one line, and nothing in it that a terminal acts on or that changes the order or look of what is around it. That is every control character (those of C1, which
 * some terminals take for escapes, included), format characters such as marks of direction, lone surrogates, and separators of lines.
 */
export function clean(text: string): string {
  return text.replaceAll(/[\p{C}\p{Zl}\p{Zp}]/gu, STAND_IN);
}

/** JSON in which no character is one that a terminal acts on. */
export function cleanJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** Cells that one character as a person sees it takes: two for what may be wide, since a line that is too short does no harm. Follows the blocks of Unicode's East Asian Width. */
function cellsOf(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (/^\p{M}/u.test(grapheme)) return 0;
  if (/\p{Extended_Pictographic}|\p{Regional_Indicator}|\ufe0f/u.test(grapheme) && code > 0xff) return 2;
  return code < 0x1100 ||
    (code > 0x115f && code < 0x2e80) ||
    (code > 0xd7a3 && code < 0xf900) ||
    (code > 0xfaff && code < 0xfe30) ||
    (code > 0xffe6 && code < 0x16fe0)
    ? 1
    : 2;
}

/** Cells that a text takes. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += cellsOf(segment);
  return width;
}

/** The beginning of a text that takes at most `width` cells; what is cut off is told by `…`. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let used = 0;
  for (const { segment } of segmenter.segment(text)) {
    used += cellsOf(segment);
    if (used > width - 1) break;
    kept += segment;
  }
  return width < 1 ? '' : `${kept}…`;
}

/** A text in exactly `width` cells, or in one cell less where a wide character does not fit. */
export function padded(text: string, width: number): string {
  const short = cut(text, width);
  return short + ' '.repeat(Math.max(0, width - widthOf(short)));
}
