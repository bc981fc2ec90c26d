import type { RemoteTier } from './remote-tier.ts';
import { TagTable } from './tags.ts';

/**
 * The remote tier of a cache that has none, so that the read path is written once.
 *
 * `alone`: this process is the only one that changes the source, so its local tier hears of every change. Otherwise nobody tells us of others' changes, and a local entry is
 * served only for the staleness bound after its load.
 */
export function noRemoteTier(options: { alone: boolean }): RemoteTier {
  const tags = new TagTable();
  let stamp = 1;
  tags.replace({ generation: 'local', stamp }, []);
  let generations = 0;
  const off = { outcome: 'unavailable', reason: 'off' } as const;
  return {
    tags,
    opened: Promise.resolve(),
    read: () => Promise.resolve(off),
    acquire: () => Promise.resolve(off),
    fill: () => Promise.resolve('unavailable'),
    put: () => Promise.resolve('applied'),
    invalidate: ({ buckets, all }) => {
      if (all) {
        generations += 1;
        tags.replace({ generation: `local${generations}`, stamp }, []);
      } else if (buckets.length > 0) {
        const { generation, stamp: previous } = tags.point;
        stamp += 1;
        tags.apply({ generation, previous, stamp, buckets });
      }
      return Promise.resolve('applied');
    },
    holder: () => Promise.resolve(null),
    asOf: (now) => (options.alone ? now : Number.NEGATIVE_INFINITY),
    listen: () => {},
    state: () => 'off',
    close: () => Promise.resolve(),
  };
}
