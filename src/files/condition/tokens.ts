import { ForebayError } from '../../core/errors.ts';

export interface Token {
  readonly kind: 'word' | 'number' | 'text' | 'sign' | 'end';
  /** Words in lower case; of a text what it says, without its quotes. */
  readonly text: string;
  /** Of its first character, from 1. */
  readonly at: number;
}

/** Characters of a condition. */
export const MAX_CONDITION = 4096;
const TOKEN =
  /\s*(?:(?<word>[a-z_][a-z0-9_]*)|(?<number>\d{1,40}(?:\.\d{1,20})?)(?![a-z0-9_.])|'(?<text>(?:[^']|'')*)'|(?<sign><=|>=|<>|!=|[=<>(),-]))/iuy;
const MAX_SHOWN = 24;

/** What is wrong with a condition, and where. */
export function conditionError(at: number, what: string): ForebayError {
  return new ForebayError('INPUT_INVALID', `the condition, at character ${at}: ${what}`, { field: 'where' });
}

/** @throws {ForebayError} `INPUT_INVALID` */
export function tokensOf(text: string): readonly Token[] {
  if (text.length > MAX_CONDITION) throw conditionError(MAX_CONDITION, `it is longer than ${MAX_CONDITION} characters`);
  if (!text.isWellFormed() || text.includes('\0')) throw conditionError(1, 'it has to be well-formed Unicode without NUL characters');
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  TOKEN.lastIndex = 0;
  for (let at = 0; at < end; at = TOKEN.lastIndex) {
    const groups = TOKEN.exec(text)?.groups;
    if (groups === undefined) throw unknownPart(text, at);
    const { word, number, text: quoted, sign } = groups;
    const startsAt = at + (/^\s*/u.exec(text.slice(at))?.[0].length ?? 0) + 1;
    if (word !== undefined) tokens.push({ kind: 'word', text: word.toLowerCase(), at: startsAt });
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, at: startsAt });
    else if (quoted !== undefined) tokens.push({ kind: 'text', text: quoted.replaceAll("''", "'"), at: startsAt });
    else tokens.push({ kind: 'sign', text: sign === '!=' ? '<>' : (sign ?? ''), at: startsAt });
  }
  return [...tokens, { kind: 'end', text: 'its end', at: end + 1 }];
}

function unknownPart(text: string, from: number): ForebayError {
  const rest = text.slice(from).trimStart();
  const at = text.length - rest.length + 1;
  if (rest.startsWith("'")) return conditionError(at, "a text begins here and does not end; a quote inside is written twice ('it''s')");
  return conditionError(at, `${JSON.stringify(rest.slice(0, MAX_SHOWN))} is nothing that a condition may hold`);
}
