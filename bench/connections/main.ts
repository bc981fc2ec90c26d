/** How many connections for commands a process should have: see docs/redis.md. `node bench/connections/main.ts [rounds] [seconds]` */
import { Buffer } from 'node:buffer';
import { LogTags } from '../../src/cache/log-tags.ts';
import { encodeEntry } from '../../src/cache/entry.ts';
import { createRedisLogStore } from '../../src/redis/log-store.ts';
import { startRedis } from '../../test/support/redis.ts';

const [rounds = 7, seconds = 1.5] = process.argv.slice(2).map(Number);
const COUNTS = [1, 2, 4, 20];
const KEYS = 2000;
const AT_ONCE = [10, 100, 500];
const EPOCH = 'bench';
const JSON_BYTES = 400;

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const soon = (): number => performance.now() + 5000;

await using redis = await startRedis();

async function open(connections: number) {
  const tags = new LogTags();
  tags.begin(EPOCH, 0);
  const store = createRedisLogStore({ url: { url: redis.url, connections } }, tags);
  store.listen(
    { onEntry: () => {}, onGap: () => {}, onUnreadable: () => {}, onBehind: () => {}, onWake: () => {}, onAnew: () => {}, onUp: () => {} },
    () => ({
      epoch: EPOCH,
      number: 0,
    }),
  );
  await store.opened;
  return store;
}

const stores = new Map<number, Awaited<ReturnType<typeof open>>>();
for (const count of COUNTS) stores.set(count, await open(count));
const first = stores.get(1);
if (first === undefined) throw new Error('there is no store');
const json = Buffer.from(JSON.stringify({ text: 'x'.repeat(JSON_BYTES) }));
for (let n = 0; n < KEYS; n += 1) {
  const key = `file:info:{${n}}`;
  await first.acquire(key, 'bench', { leaseMs: 5000, replace: true, deadline: soon() });
  const entry = encodeEntry({ absent: false, version: 1, ttlMs: 3_600_000, point: { generation: EPOCH, stamp: 0 }, buckets: [], json });
  await first.fill(key, 'bench', { entry, expireMs: 3_600_000, loadedAgoMs: 0 });
}

/** So many readers, each of which asks for one key after the other. */
async function readsPerSecond(store: Awaited<ReturnType<typeof open>>, atOnce: number): Promise<number> {
  let reads = 0;
  const from = performance.now();
  const until = from + seconds * 1000;
  const reader = async (start: number): Promise<void> => {
    for (let n = start; performance.now() < until; n += 1) {
      const read = await store.read(`file:info:{${n % KEYS}}`, soon());
      if (read.outcome !== 'found') throw new Error(`a read ended with ${JSON.stringify(read)}`);
      reads += 1;
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, i) => reader(i * 7)));
  return (reads * 1000) / (performance.now() - from);
}

for (const store of stores.values()) await readsPerSecond(store, 100);
console.log(`reads per second of values of ${JSON_BYTES} bytes, medians of ${rounds} rounds of ${seconds} s, and against one connection`);
for (const atOnce of AT_ONCE) {
  const results = new Map<number, number[]>(COUNTS.map((count) => [count, []]));
  for (let round = 0; round < rounds; round += 1)
    for (const [count, store] of stores) results.get(count)?.push(await readsPerSecond(store, atOnce));
  const base = results.get(1) ?? [];
  for (const [count, values] of results) {
    const ratio = median(values.map((value, i) => value / (base[i] ?? Number.NaN)));
    console.log(
      `${String(atOnce).padStart(4)} at once, ${String(count).padStart(2)} connections: ${median(values).toFixed(0).padStart(7)}  ${ratio.toFixed(2)}`,
    );
  }
}
for (const store of stores.values()) await store.close();
