import { createCache } from '../../src/cache/cache.ts';
import type { Cache, LookupOptions } from '../../src/cache/cache-types.ts';
import type { Lookup } from '../../src/cache/lookup.ts';
import type { CacheOptions } from '../../src/cache/options.ts';
import { FakeClock } from './fake-clock.ts';
import { LaggingRemote } from './lagging-remote.ts';

export interface Row {
  readonly version: number;
  readonly tags?: readonly string[];
}

/** A call of the source, which waits for the test. */
export interface SourceCall {
  readonly keys: readonly string[];
  answer(rows: Readonly<Record<string, Row | null>>): Promise<void>;
  fail(error: Error): Promise<void>;
}

/** A look-up under way; `ended` once it has an answer. */
export interface Looking {
  readonly answer: Promise<Lookup<Row>>;
  ended: boolean;
}

export interface LaggingCache {
  readonly cache: Cache<string, Row>;
  readonly clock: FakeClock;
  readonly remote: LaggingRemote;
  readonly calls: readonly SourceCall[];
  /** Begins a look-up and lets happen what can without time. */
  readonly look: (key: string, options?: LookupOptions) => Promise<Looking>;
  /** The newest call of the source. */
  readonly last: () => SourceCall;
  /** Reads the key from the source and leaves it in process memory. */
  readonly load: (key: string, row: Row | null) => Promise<void>;
}

/** A cache on a clock turned by hand, whose source answers when a test says so, in front of a remote tier that lags as a test says. */
export function openLaggingCache(options: Partial<CacheOptions<string, Row>> = {}): LaggingCache {
  const clock = new FakeClock();
  const remote = new LaggingRemote(clock);
  const calls: SourceCall[] = [];
  const cache = createCache<string, Row>({
    name: 'test',
    remote,
    clock,
    random: () => 0.5,
    source: {
      loadMany: (keys) =>
        new Promise((resolve, reject) => {
          const then = (what: () => void) => {
            what();
            return clock.settle();
          };
          const answer = (rows: Readonly<Record<string, Row | null>>) => then(() => resolve(new Map(Object.entries(rows))));
          calls.push({ keys, answer, fail: (error) => then(() => reject(error)) });
        }),
    },
    describe: ({ version, tags = [] }) => ({ version, tags }),
    ttl: () => 60_000,
    refreshAhead: 0,
    maxStalenessMs: 1000,
    ...options,
  });
  const look = async (key: string, how?: LookupOptions): Promise<Looking> => {
    const looking: Looking = { answer: cache.lookup(key, how), ended: false };
    const end = (): void => {
      looking.ended = true;
    };
    looking.answer.then(end, end);
    await clock.settle();
    return looking;
  };
  const last = (): SourceCall => {
    const call = calls.at(-1);
    if (call === undefined) throw new Error('the source was not called');
    return call;
  };
  const load = async (key: string, row: Row | null): Promise<void> => {
    const { answer } = await look(key);
    await last().answer({ [key]: row });
    await answer;
    await clock.settle();
  };
  return { cache, clock, remote, calls, look, last, load };
}
