import { sharedNow } from './clock.ts';
import type { Contestant } from './contestant.ts';
import type { ReadLog } from './logs.ts';
import { ABSENT, FAILED } from './logs.ts';
import { Pace } from './pace.ts';
import type { WorkerSetup } from './protocol.ts';
import { idOf } from './protocol.ts';
import type { SeededChance } from './random.ts';

const MOST_READS = 1000;
const READ_ALL_BATCH = 20;
const MOST_WORDS = 20;

/** Reads keys, popular ones most, and notes what came. */
export class Readers {
  readonly #contestant: Contestant;
  readonly #log: ReadLog;
  readonly #keys: number;
  readonly #pace: Pace;
  /** What readers were told when nobody could say, and how often. */
  readonly #errors = new Map<string, number>();

  constructor(contestant: Contestant, log: ReadLog, chance: SeededChance, { keys }: WorkerSetup) {
    this.#contestant = contestant;
    this.#log = log;
    this.#keys = keys;
    this.#pace = new Pace(chance, MOST_READS, async () => void (await this.#read(chance.popular(keys))));
  }

  work(perSecond: number): void {
    this.#pace.start(perSecond);
  }

  get errors(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#errors);
  }

  rest(): Promise<void> {
    return this.#pace.stop();
  }

  /** Every key once; the versions, in the order of the keys. */
  async readAll(): Promise<number[]> {
    const versions: number[] = [];
    for (let from = 0; from < this.#keys; from += READ_ALL_BATCH) {
      const keys = Array.from({ length: Math.min(READ_ALL_BATCH, this.#keys - from) }, (_, i) => from + i);
      versions.push(...(await Promise.all(keys.map((key) => this.#read(key)))));
    }
    return versions;
  }

  async #read(key: number): Promise<number> {
    const beganAt = sharedNow();
    let version = FAILED;
    let mark = Number.NaN;
    try {
      const seen = await this.#contestant.read(idOf(key));
      version = seen === null ? ABSENT : seen.version;
      mark = seen?.mark ?? Number.NaN;
    } catch (error) {
      // Counted by the checker, with its time; the words are for people.
      const words = String(error)
        .replaceAll(/[0-9a-f-]{36}|\d+/g, '…')
        .slice(0, 160);
      if (this.#errors.has(words) || this.#errors.size < MOST_WORDS) this.#errors.set(words, (this.#errors.get(words) ?? 0) + 1);
    }
    this.#log.add({ key, version, mark, beganAt, endedAt: sharedNow() });
    return version;
  }
}
