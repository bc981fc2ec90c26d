import type { Skip, SkipReason } from './options.ts';

/** Examples that a report lists of each reason: a tree may have millions of, say, symbolic links. */
const LISTED_PER_REASON = 100;

/** The code of a failed system call (`ENOENT`), or the message where there is none. */
export function failureCode(thrown: unknown): string {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string') return thrown.code;
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Whether a failed call says that the path is no longer there, rather than that it cannot be told. */
export function saysGone(thrown: unknown): boolean {
  const code = failureCode(thrown);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

/** Counts what was skipped, and keeps examples. */
export class Skips {
  readonly listed: Skip[] = [];
  readonly counts: Partial<Record<SkipReason, number>> = {};
  total = 0;
  readonly #onSkipped: ((skip: Skip) => void) | undefined;

  constructor(onSkipped?: (skip: Skip) => void) {
    this.#onSkipped = onSkipped;
  }

  add(path: Buffer, reason: SkipReason, detail: string): void {
    const count = (this.counts[reason] ?? 0) + 1;
    this.counts[reason] = count;
    this.total += 1;
    if (count > LISTED_PER_REASON && this.#onSkipped === undefined) return;
    const skip = Object.freeze({ path: path.toString('utf8'), reason, detail });
    if (count <= LISTED_PER_REASON) this.listed.push(skip);
    this.#onSkipped?.(skip);
  }
}
