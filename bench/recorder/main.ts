/** What recording costs: reads with the recorder that every cache has by default, against reads with one that records nothing. See docs/metrics.md. */
import { parseArgs } from 'node:util';
import { Registry } from 'prom-client';
import type { Cache } from '../../src/cache/cache-types.ts';
import { createCache } from '../../src/cache/cache.ts';
import { noRemoteTier } from '../../src/cache/no-remote-tier.ts';
import { HistogramRecorder, noRecorder } from '../../src/cache/recorder.ts';
import type { RemoteTier } from '../../src/cache/remote-tier.ts';
import { registerCacheMetrics } from '../../src/metrics/cache-metrics.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';
import { startRedis } from '../../test/support/redis.ts';

const HELP = `node bench/recorder/main.ts [options]

Rounds of reads in pairs, one with metrics and one without, in turn and in changing order, over several pairs of caches, since where a cache happens to lie in memory alone makes a few percent. With metrics means:
the default recorder. A second pair, without metrics on either side, shows how exact the measurement is. Figures are CPU time of this process: what else the machine does is not counted. At the end: what a scrape takes.

  --rounds 400
  --pairs 8
`;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '400' },
    pairs: { type: 'string', default: '8' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const rounds = Number(values.rounds);
const pairs = Number(values.pairs);

interface Row {
  readonly n: number;
}

type Tested = Cache<string, Row>;
type Read = (cache: Tested) => Promise<void>;

const keys = Array.from({ length: 1000 }, (_, i) => `018f4e9a-1b2c-7d3e-8f40-${String(i).padStart(12, '0')}`);

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

async function open(isRecorded: boolean, remote: RemoteTier, maxEntries: number): Promise<Tested> {
  const cache = createCache<string, Row>({
    name: 'bench',
    source: { loadMany: async (asked) => new Map(asked.map((key) => [key, { n: 1 }])) },
    remote,
    maxEntries,
    recorder: isRecorded ? new HistogramRecorder() : noRecorder,
  });
  await cache.start();
  await cache.getMany(keys);
  await cache.idle();
  return cache;
}

async function nanosecondsARead(cache: Tested, read: Read, times: number): Promise<number> {
  const from = process.cpuUsage();
  for (let i = 0; i < times; i += 1) await read(cache);
  const { user, system } = process.cpuUsage(from);
  return ((user + system) * 1000) / (times * keys.length);
}

async function compare(sides: readonly (readonly [Tested, Tested])[], read: Read, times: number): Promise<[on: number, off: number]> {
  const ns: [number[], number[]] = [[], []];
  const warmUp = sides.length * 4;
  for (let round = -warmUp; round < rounds; round += 1) {
    const pair = sides[(round + warmUp) % sides.length] as readonly [Tested, Tested];
    for (const at of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
      const took = await nanosecondsARead(pair[at], read, times);
      if (round >= 0) ns[at].push(took);
    }
  }
  return [median(ns[0]), median(ns[1])];
}

async function pairsOf(isRecorded: boolean, remote: () => RemoteTier, maxEntries: number): Promise<(readonly [Tested, Tested])[]> {
  const made: (readonly [Tested, Tested])[] = [];
  for (let n = 0; n < pairs; n += 1) {
    const openFirst = (): Promise<Tested> => open(isRecorded, remote(), maxEntries);
    const openSecond = (): Promise<Tested> => open(false, remote(), maxEntries);
    // Whichever is made first lies better in memory.
    const first = n % 2 === 0 ? await openFirst() : null;
    const second = await openSecond();
    made.push([first ?? (await openFirst()), second]);
  }
  return made;
}

const perSecond = (ns: number): string => Math.round(1e9 / ns).toLocaleString('en-US');

async function report(name: string, remote: () => RemoteTier, maxEntries: number, read: Read, times: number): Promise<void> {
  for (const isRecorded of [true, false]) {
    const [on, off] = await compare(await pairsOf(isRecorded, remote, maxEntries), read, times);
    const what = isRecorded ? 'with metrics / without' : 'without / without';
    process.stdout.write(
      `${name.padEnd(28)} ${what.padEnd(24)} ${perSecond(on).padStart(12)} / ${perSecond(off).padStart(12)} reads a second of CPU: ${((100 * off) / on).toFixed(1)} %\n`,
    );
  }
}

const getAtOnce: Read = async (cache) => void (await Promise.all(keys.map((key) => cache.get(key))));
const peekEach: Read = async (cache) => {
  for (const key of keys) cache.peek(key);
};

await report('peek, process memory', () => noRemoteTier({ alone: true }), 5000, peekEach, 20);
await report('get, process memory', () => noRemoteTier({ alone: true }), 5000, getAtOnce, 20);
const redis = await startRedis();
const tiers: RemoteTier[] = [];
const openTier = (): RemoteTier => {
  const tier = createRedisTier({ url: redis.url });
  tiers.push(tier);
  return tier;
};
await report('get, Redis', openTier, 0, getAtOnce, 2);
await redis.stop();

const registry = new Registry();
registerCacheMetrics(registry, await Promise.all([1, 2].map(() => open(true, noRemoteTier({ alone: true }), 5000))));
const scrapes: number[] = [];
for (let n = 0; n < 200; n += 1) {
  const from = process.cpuUsage();
  await registry.metrics();
  const { user, system } = process.cpuUsage(from);
  scrapes.push((user + system) / 1000);
}
process.stdout.write(`a scrape of two caches: ${median(scrapes).toFixed(1)} ms of CPU\n`);
process.exit(0);
