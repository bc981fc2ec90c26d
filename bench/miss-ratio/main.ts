// What the sampler of the miss-ratio curve costs a read that process memory answers: one cache, with and without, in turns; processor time, so that what else runs on the machine does not count.
//
//   node bench/miss-ratio/main.ts [KEYS]
import { resolveOptions } from '../../src/cache/options.ts';
import { ReadPath } from '../../src/cache/read-path.ts';
import { ReuseSampler } from '../../src/cache/reuse-sampler.ts';
import { hashKey } from '../../src/cache/hash.ts';

const KEYS = Number(process.argv[2] ?? 20_000);
const READS = 200_000;
const ROUNDS = 101;

const ids = Array.from({ length: KEYS }, (_, i) => `018f4e9a-1b2c-7d3e-8f40-${String(i).padStart(12, '0')}`);
/** Ranks by a law much like Zipf's: the logarithm of the rank is even. */
const order = Int32Array.from({ length: READS }, () => Math.floor(KEYS ** Math.random()) - 1);

async function filledPath(): Promise<ReadPath<string, { id: string }>> {
  const loadMany = async (keys: readonly string[]): Promise<Map<string, { id: string }>> => new Map(keys.map((id) => [id, { id }]));
  const options = resolveOptions<string, { id: string }>({ name: 'bench', source: { loadMany }, maxBytes: 2 ** 30, maxEntries: KEYS });
  const path = new ReadPath(options, { evicted: () => {}, loadFailed: () => {}, popular: () => {} });
  for (let at = 0; at < KEYS; at += 500) await Promise.all(ids.slice(at, at + 500).map((id) => path.lookup(id, id, undefined)));
  return path;
}

/** Processor time of one read in ns. */
function run(sampled: boolean): number {
  const { threshold } = path.reuse;
  if (!sampled) path.reuse.threshold = 0;
  const before = process.cpuUsage();
  for (const rank of order) if (path.serveLocal(ids[rank] ?? '', ids[rank] ?? '') === undefined) throw new Error('a read missed');
  const { user, system } = process.cpuUsage(before);
  if (!sampled) path.reuse.threshold = threshold;
  return ((user + system) * 1000) / READS;
}

const middle = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const path = await filledPath();
for (let i = 0; i < 20; i += 1) run(i % 2 === 0);
const ratios: number[] = [];
const times: [on: number, off: number][] = [];
for (let i = 0; i < ROUNDS; i += 1) {
  const isFirst = i % 2 === 0;
  const [a, b] = [run(isFirst), run(!isFirst)];
  const pair: [number, number] = isFirst ? [a, b] : [b, a];
  times.push(pair);
  ratios.push(pair[0] / pair[1]);
}
console.log(
  `a read: ${middle(times.map(([on]) => on)).toFixed(0)} ns with, ${middle(times.map(([, off]) => off)).toFixed(0)} ns without; the middle of ${ROUNDS} pairs: ${((middle(ratios) - 1) * 100).toFixed(2)} % more; share of keys sampled at the end: ${path.reuse.share.toFixed(4)}`,
);

// A sampled read by itself.
const sampler = new ReuseSampler({ maxPerSecond: Number.POSITIVE_INFINITY });
const hashes = Uint32Array.from(ids.slice(0, 8000), hashKey);
const reads = Int32Array.from(order, (rank) => rank % hashes.length);
for (let i = 0; i < 5; i += 1) for (const rank of reads) sampler.read(hashes[rank] ?? 0, 0, true);
const before = process.cpuUsage();
for (let i = 0; i < 20; i += 1) for (const rank of reads) sampler.read(hashes[rank] ?? 0, 0, true);
const { user, system } = process.cpuUsage(before);
console.log(`a sampled read: ${(((user + system) * 1000) / (20 * reads.length)).toFixed(0)} ns, with ${sampler.size} keys`);
