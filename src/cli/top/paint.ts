import { cut, widthOf } from './cells.ts';

export type Style = 'plain' | 'dim' | 'bold' | 'good' | 'warning' | 'critical';
/** Text of one style, already clean. */
export type Part = string | readonly [style: Style, text: string];
/** One line of the screen. */
export type Line = readonly Part[];

const CODES: Readonly<Record<Exclude<Style, 'plain'>, string>> = Object.freeze({
  dim: '2',
  bold: '1',
  good: '32',
  warning: '33',
  critical: '1;31',
});

const textOf = (part: Part): string => (typeof part === 'string' ? part : part[1]);

/** A line as text of at most `width` cells. Without `color` there is no escape in it. */
export function paint(line: Line, width: number, color: boolean): string {
  let left = width;
  let painted = '';
  for (const part of line) {
    if (left <= 0) break;
    const text = cut(textOf(part), left);
    left -= widthOf(text);
    const style = typeof part === 'string' ? 'plain' : part[0];
    painted += !color || style === 'plain' || text === '' ? text : `\u001b[${CODES[style]}m${text}\u001b[0m`;
  }
  return color ? painted : painted.trimEnd();
}

/** Fields one after the other, on as many lines as they need; those after the first begin below the first field. */
export function flow(label: string, fields: readonly Part[], width: number): Line[] {
  const lines: Part[][] = [];
  let line: Part[] = [['dim', label.padEnd(LABEL)]];
  let used = LABEL;
  for (const field of fields) {
    const cells = widthOf(textOf(field));
    if (line.length > 1 && used + GAP + cells > width) {
      lines.push(line);
      line = [' '.repeat(LABEL)];
      used = LABEL;
    } else if (line.length > 1) {
      line.push(' '.repeat(GAP));
      used += GAP;
    }
    line.push(field);
    used += cells;
  }
  return [...lines, line];
}

/** Words on as many lines as they need, `most` at most. */
export function wrap(style: Style, text: string, width: number, most: number): Line[] {
  const lines: string[] = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && widthOf(last) + 1 + widthOf(word) > width && lines.length < most) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((line) => [[style, line]]);
}

const LABEL = 11;
const GAP = 2;
