/** Fills a cache with entries of a kind and prints what it counts and by how much the process grew: `node --expose-gc memory-probe.ts KIND`. */
import { randomUUID } from 'node:crypto';
import { createCache } from '../../src/cache/cache.ts';

const COUNT = 20_000;
const kinds: Record<string, (i: number) => unknown> = {
  info: (i) => ({
    id: randomUUID(),
    name: `report-${i}.pdf`,
    path: `/srv/files/department-${i % 50}/2026/report-${i}.pdf`,
    size: i * 1000 + 2 ** 31,
    mimeType: 'application/pdf',
    ownerId: `uid:${i % 500}`,
    tags: ['finance', `year${i % 9}`],
    createdAt: '2026-01-02T03:04:05.678Z',
    updatedAt: '2026-01-02T03:04:05.678Z',
    version: i,
  }),
  meta: (i) => ({
    id: randomUUID(),
    version: i,
    attributes: { camera: 'X100', iso: i % 3200, exposure: i / 7, place: { lat: i / 3, lon: -i / 5 }, people: ['ann', 'bob'] },
  }),
  number: (i) => i,
  long: (i) => ({ text: String(i).padEnd(4000, 'abcdefgh') }),
  late: (i) => ({ text: `${String(i).padEnd(2000, 'abcdefgh')}Ω` }),
  wide: (i) => ({ text: `${i}`.padEnd(500, 'Ωж') }),
};

const value = kinds[process.argv[2] ?? ''];
if (value === undefined || globalThis.gc === undefined) throw new Error(`node --expose-gc memory-probe.ts ${Object.keys(kinds).join('|')}`);

function used(): number {
  globalThis.gc?.();
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const cache = createCache<string, unknown>({
  name: 'test',
  maxEntries: COUNT,
  maxBytes: 2 ** 40,
  describe: () => ({ tags: ['owner:1', 'type:2', 'folder:3'] }),
  source: { loadMany: (keys) => Promise.resolve(new Map(keys.map((key) => [key, value(Number(key.slice(36)))]))) },
});
// What does not belong to the entries (code, the sketch, the tier's arrays) is there before.
await cache.getMany(Array.from({ length: 1000 }, (_, i) => `00000000-0000-4000-8000-000000000000${COUNT + i}`));
await cache.invalidate({ keys: Array.from({ length: 1000 }, (_, i) => `00000000-0000-4000-8000-000000000000${COUNT + i}`) });
const before = used();
for (let at = 0; at < COUNT; at += 500)
  await cache.getMany(Array.from({ length: 500 }, (_, i) => `00000000-0000-4000-8000-000000000000${at + i}`));
const grown = used() - before;
console.log(JSON.stringify({ counted: cache.stats().local.bytes, grown, entries: cache.stats().local.entries }));
