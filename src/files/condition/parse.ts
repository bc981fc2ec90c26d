import { LIMITS, fileId, tagSchema } from '../records.ts';
import type { Column, Comparison, Condition, TextColumn, Value } from './condition.ts';
import { COLUMNS } from './condition.ts';
import type { Token } from './tokens.ts';
import { conditionError, tokensOf } from './tokens.ts';

const MAX_DEPTH = 32;
const COMPARISONS: ReadonlySet<string> = new Set<Comparison>(['=', '<>', '<', '<=', '>', '>=']);
const SECONDS: Readonly<Record<string, number>> = Object.freeze({ second: 1, minute: 60, hour: 3600, day: 86_400, week: 604_800 });
const TIME = /^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:\d{2})?)?$/i;
const INTERVAL = /^(\d{1,6}) (second|minute|hour|day|week)s?$/i;

/**
 * Reads a condition as in SQL's `where`, over the columns of a file's record: comparisons, `like` and `ilike`, `in`, `between`, `is null`, `'TAG' = any(tags)`, joined by `and`, `or`, `not` and parentheses.
 *
 * It is a language of its own that looks like SQL, not SQL with something taken out: what is not listed here cannot be said in it, so no function, no sub-query and no second statement ever reaches the database.
 * @throws {ForebayError} `INPUT_INVALID`, with the place
 */
export function parseCondition(text: string): Condition {
  return new ConditionParser(tokensOf(text)).whole();
}

class ConditionParser {
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  whole(): Condition {
    const condition = this.#or();
    if (this.#token.kind !== 'end') throw this.#unexpected('"and", "or" or the end');
    return condition;
  }

  get #token(): Token {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] as Token;
  }

  #take(): Token {
    const token = this.#token;
    this.#at += 1;
    return token;
  }

  /** Takes it if it comes next. */
  #has(kind: 'word' | 'sign', text: string): boolean {
    if (this.#token.kind !== kind || this.#token.text !== text) return false;
    this.#at += 1;
    return true;
  }

  #want(kind: 'word' | 'sign', text: string): void {
    if (!this.#has(kind, text)) throw this.#unexpected(`"${text}"`);
  }

  #unexpected(wanted: string): Error {
    const { kind, text, at } = this.#token;
    return conditionError(at, `${kind === 'end' ? text : JSON.stringify(text.slice(0, 64))} where ${wanted} has to come`);
  }

  #or(): Condition {
    return this.#joined('or', () => this.#joined('and', () => this.#not()));
  }

  #joined(kind: 'and' | 'or', part: () => Condition): Condition {
    const first = part();
    if (!(this.#token.kind === 'word' && this.#token.text === kind)) return first;
    const parts = [first];
    while (this.#has('word', kind)) parts.push(part());
    return { kind, parts };
  }

  #not(): Condition {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw conditionError(this.#token.at, `it is nested more than ${MAX_DEPTH} deep`);
    const condition = this.#has('word', 'not') ? ({ kind: 'not', of: this.#not() } as const) : this.#term();
    this.#depth -= 1;
    return condition;
  }

  #term(): Condition {
    if (this.#has('sign', '(')) {
      const condition = this.#or();
      this.#want('sign', ')');
      return condition;
    }
    if (this.#token.kind === 'text') return this.#tagged();
    const column = this.#column();
    if (this.#has('word', 'is')) {
      const isNot = this.#has('word', 'not');
      this.#want('word', 'null');
      return negated(isNot, { kind: 'missing', column });
    }
    const isNot = this.#has('word', 'not');
    if (this.#has('word', 'in')) return negated(isNot, this.#in(column));
    if (this.#has('word', 'between')) return negated(isNot, this.#between(column));
    if (this.#has('word', 'like')) return negated(isNot, this.#like(column, false));
    if (this.#has('word', 'ilike')) return negated(isNot, this.#like(column, true));
    if (isNot) throw this.#unexpected('"in", "between", "like" or "ilike"');
    const { kind, text } = this.#token;
    if (kind !== 'sign' || !COMPARISONS.has(text))
      throw this.#unexpected('a comparison (=, <>, <, <=, >, >=, like, ilike, in, between, is null)');
    this.#at += 1;
    return { kind: 'compare', column, by: text as Comparison, value: this.#value(column) };
  }

  /** `'TAG' = any(tags)` */
  #tagged(): Condition {
    const { text, at } = this.#take();
    this.#want('sign', '=');
    this.#want('word', 'any');
    this.#want('sign', '(');
    this.#want('word', 'tags');
    this.#want('sign', ')');
    if (!tagSchema.safeParse(text).success) throw conditionError(at, `a tag has 1 to ${LIMITS.tagLength} characters`);
    return { kind: 'tagged', tag: text };
  }

  #column(): Column {
    const { kind, text } = this.#token;
    if (kind !== 'word' || !Object.hasOwn(COLUMNS, text))
      throw this.#unexpected(`a column (${Object.keys(COLUMNS).join(', ')}) or 'TAG' = any(tags)`);
    this.#at += 1;
    return text as Column;
  }

  #in(column: Column): Condition {
    this.#want('sign', '(');
    const values = [this.#value(column)];
    while (this.#has('sign', ',')) values.push(this.#value(column));
    this.#want('sign', ')');
    return { kind: 'in', column, values };
  }

  #between(column: Column): Condition {
    const low = this.#value(column);
    this.#want('word', 'and');
    const high = this.#value(column);
    return {
      kind: 'and',
      parts: [
        { kind: 'compare', column, by: '>=', value: low },
        { kind: 'compare', column, by: '<=', value: high },
      ],
    };
  }

  #like(column: Column, anyCase: boolean): Condition {
    if (COLUMNS[column] !== 'text') throw conditionError(this.#token.at, `${column} holds no text: it is not matched by a pattern`);
    if (this.#token.kind !== 'text') throw this.#unexpected("a pattern in quotes ('image/%')");
    const { text, at } = this.#take();
    if (/(?<!\\)(?:\\\\)*\\$/.test(text)) throw conditionError(at, 'a pattern does not end with a single backslash');
    return { kind: 'like', column: column as TextColumn, pattern: text, anyCase };
  }

  #value(column: Column): Value {
    const wanted = COLUMNS[column];
    if (wanted === 'number') {
      const minus = this.#has('sign', '-') ? '-' : '';
      if (this.#token.kind !== 'number') throw this.#unexpected(`a number, since ${column} is one,`);
      return { kind: 'number', text: `${minus}${this.#take().text}` };
    }
    if (wanted === 'time' && this.#has('word', 'now')) return this.#ago();
    if (this.#token.kind !== 'text') throw this.#unexpected(WANTED[wanted]);
    const { text, at } = this.#take();
    if (wanted === 'time' && !isTime(text))
      throw conditionError(
        at,
        `${JSON.stringify(text.slice(0, 64))} is no time; give '2026-01-31', '2026-01-31T12:00:00Z' or now() - interval '7 days'`,
      );
    return { kind: wanted, text: wanted === 'id' ? fileId(text) : text };
  }

  /** `now()`, or `now() - interval '7 days'` */
  #ago(): Value {
    this.#want('sign', '(');
    this.#want('sign', ')');
    if (!this.#has('sign', '-')) return { kind: 'ago', seconds: 0 };
    this.#want('word', 'interval');
    if (this.#token.kind !== 'text') throw this.#unexpected("a duration in quotes ('7 days')");
    const { text, at } = this.#take();
    const [, count, unit] = INTERVAL.exec(text.trim()) ?? [];
    const seconds = Number(count) * (SECONDS[unit?.toLowerCase() ?? ''] ?? Number.NaN);
    if (!Number.isSafeInteger(seconds))
      throw conditionError(at, `${JSON.stringify(text.slice(0, 64))} is no duration; give '30 minutes', '12 hours' or '7 days'`);
    return { kind: 'ago', seconds };
  }
}

const WANTED = Object.freeze({
  id: 'an id in quotes',
  text: 'a text in quotes',
  time: "a time in quotes ('2026-01-31'), or now(),",
});

const negated = (isNot: boolean, of: Condition): Condition => (isNot ? { kind: 'not', of } : of);

/** Days that there are: the 30th of February is none. */
function isTime(text: string): boolean {
  if (!TIME.test(text)) return false;
  const day = text.slice(0, 10);
  const date = new Date(`${day}T00:00:00Z`);
  // There is no year 0 in the database.
  return (
    day >= '0001' &&
    !Number.isNaN(date.getTime()) &&
    date.toISOString().startsWith(day) &&
    !Number.isNaN(Date.parse(text.replace(' ', 'T')))
  );
}
