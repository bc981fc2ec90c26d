import { vi } from 'vitest';
import { createCache } from '../../src/cache/cache.ts';
import type { Cache } from '../../src/cache/cache-types.ts';
import type { CacheOptions } from '../../src/cache/options.ts';
import type { RemoteTier } from '../../src/cache/remote-tier.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';

/** A record of the tests' own: a version, tags, and anything else. */
export interface Row {
  readonly version: number;
  readonly tags?: readonly string[];
  readonly text?: string;
}

/** A promise with its ends in the test's hand. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: () => resolve() };
}

/** The "database" of a test: rows by key, and loads that can be held up after they have read. */
export class Rows {
  readonly rows = new Map<string, Row>();
  loads = 0;
  /** Loads wait here after they have read the rows, as a slow query does. */
  hold: Gate | null = null;

  put(key: string, version: number, tags: readonly string[] = []): void {
    this.rows.set(key, { version, tags });
  }

  readonly loadMany = async (keys: readonly string[]): Promise<Map<string, Row | null>> => {
    this.loads += 1;
    const read = new Map(keys.map((key) => [key, this.rows.get(key) ?? null]));
    await this.hold?.opened;
    return read;
  };
}

/** One instance: a cache with a Redis tier of its own, as a process has. */
export interface Instance extends AsyncDisposable {
  readonly cache: Cache<string, Row>;
  readonly tier: RemoteTier;
}

export interface InstanceOptions extends Partial<CacheOptions<string, Row>> {
  /** Put between the cache and its tier. */
  readonly wrap?: (tier: RemoteTier) => RemoteTier;
}

/** Opens an instance and waits until it can read Redis and hears the bus. */
export async function openInstance(
  url: string,
  source: CacheOptions<string, Row>['source'],
  options: InstanceOptions = {},
): Promise<Instance> {
  const { wrap = (tier: RemoteTier) => tier, ...rest } = options;
  const tier = createRedisTier({ url });
  const cache = createCache<string, Row>({
    name: 'file:info',
    source,
    remote: wrap(tier),
    describe: (row) => ({ version: row.version, tags: row.tags ?? [] }),
    budgetMs: 5000,
    ...rest,
  });
  await cache.start();
  await vi.waitFor(
    () => {
      if (tier.state() !== 'up' || tier.asOf(0) === Number.NEGATIVE_INFINITY) throw new Error('not connected yet');
    },
    { interval: 2, timeout: 5000 },
  );
  return {
    cache,
    tier,
    [Symbol.asyncDispose]: async () => {
      await cache.close();
      await tier.close();
    },
  };
}

/** A tier whose reads' replies can be held up between their arrival and their processing. */
export function holdReplies(tier: RemoteTier, held: () => Promise<void> | undefined): RemoteTier {
  return new Proxy(tier, {
    get(target, property) {
      if (property === 'read') {
        return async (key: string, deadline: number) => {
          const read = await target.read(key, deadline);
          await held();
          return read;
        };
      }
      const member: unknown = Reflect.get(target, property, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}
