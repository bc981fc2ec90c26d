import type { HeavyHitter } from '../../cache/heavy-hitters.ts';
import type { Hot } from '../../cache/hot.ts';
import { differenceOf } from '../../cache/reuse-histogram.ts';
import type { CacheSnapshot, ReportSnapshot } from './snapshot.ts';
import { HOT_KEPT } from './snapshot.ts';

type Numbers = { readonly [name: string]: number | Numbers };

/** Every number less the one of the same name. What was not there before counted from 0. */
function less<T extends object>(after: T, before: T | undefined): T {
  const minuend = after as unknown as Numbers;
  const subtrahend = (before ?? {}) as unknown as Numbers;
  return Object.fromEntries(
    Object.entries(minuend).map(([name, value]) => {
      const other = subtrahend[name];
      if (typeof value === 'number') return [name, value - (typeof other === 'number' ? other : 0)];
      return [name, less(value, typeof other === 'object' ? other : undefined)];
    }),
  ) as T;
}

/** What was counted between two snapshots of one process; sizes are those at its end. `before`: `null` for all since the start. */
export function periodOf(before: ReportSnapshot | null, after: ReportSnapshot): ReportSnapshot {
  if (before === null) return after;
  return {
    ...after,
    caches: after.caches.map((cache) =>
      ofPeriod(
        cache,
        before.caches.find(({ name }) => name === cache.name),
      ),
    ),
    remote:
      after.remote === null
        ? null
        : {
            reuse: before.remote === null ? after.remote.reuse : differenceOf(after.remote.reuse, before.remote.reuse),
            servers: { ...after.remote.servers, evicted: grown(after.remote.servers.evicted, before.remote?.servers.evicted ?? 0) },
          },
  };
}

function ofPeriod(after: CacheSnapshot, before: CacheSnapshot | undefined): CacheSnapshot {
  if (before === undefined) return after;
  return {
    ...after,
    counts: less(after.counts, before.counts),
    loads: less(after.loads, before.loads),
    local: { ...after.local, evictions: after.local.evictions - before.local.evictions },
    taken: less(after.taken, before.taken),
    reuse: differenceOf(after.reuse, before.reuse),
    hot: hotOf(after.hot, before.hot),
  };
}

/** A server that was restarted counts from 0 again. */
function grown(after: number | null, before: number): number | null {
  return after === null ? null : after >= before ? after - before : after;
}

function hotOf(after: Hot, before: Hot): Hot {
  const ofList = (now: readonly HeavyHitter[], then: readonly HeavyHitter[]): readonly HeavyHitter[] => {
    const reads = new Map(then.map((one) => [one.key, one.reads]));
    // One that was not on a full list may have been counted as often as the last that was; so often is not counted here.
    const least = then.length < HOT_KEPT ? 0 : (then.at(-1)?.reads ?? 0);
    return now
      .map((one) => ({ ...one, reads: one.reads - (reads.get(one.key) ?? least) }))
      .filter((one) => one.reads > 0)
      .toSorted((a, b) => b.reads - a.reads);
  };
  return { keys: ofList(after.keys, before.keys), tags: ofList(after.tags, before.tags) };
}
