/** What a read costs of local work while the breaker of Redis is open: see docs/breaker.md. Needs no server: with an open breaker nothing is sent. */
import { EventEmitter } from 'node:events';
import { parseArgs } from 'node:util';
import type { Redis } from 'ioredis';
import { createCache } from '../../src/cache/cache.ts';
import { noRemoteTier } from '../../src/cache/no-remote-tier.ts';
import type { RemoteTier } from '../../src/cache/remote-tier.ts';
import { createRedisTier } from '../../src/redis/remote-tier.ts';

const HELP = `node bench/breaker/main.ts [options]

Reads with an open breaker, 100 at once, in slices, in turn with the same reads without a remote tier; medians over all slices, in ns of CPU time a read: whatever else the machine does is not counted.

  --slices 100
  --reads 5000     in each slice
`;

const { values } = parseArgs({
  options: {
    slices: { type: 'string', default: '100' },
    reads: { type: 'string', default: '5000' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  process.stdout.write(HELP);
  process.exit(0);
}
const slices = Number(values.slices);
const reads = Number(values.reads);

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

/** A client that is connected, or not yet; whatever it were sent would throw. */
const clientThatIs = (status: 'ready' | 'connecting'): Redis => Object.assign(new EventEmitter(), { status }) as unknown as Redis;
const tier = createRedisTier({ url: 'redis://nowhere', connect: ({ name }) => clientThatIs(name === 'forebay' ? 'ready' : 'connecting') });
tier.breaker.isolate();

/** A cache without room, so that each read goes the whole way: local tier, flight, remote tier, source. */
function cacheOn(remote: RemoteTier) {
  return createCache<string, { readonly n: number }>({
    name: 'bench',
    source: { loadMany: async (keys) => new Map(keys.map((key) => [key, { n: 1 }])) },
    remote,
    maxEntries: 0,
    maxAbsentEntries: 0,
  });
}

type Read = (key: string) => Promise<unknown>;

const withoutTier = cacheOn(noRemoteTier({ alone: true }));
const withBreaker = cacheOn(tier);
const kinds: Readonly<Record<string, Read>> = {
  'a promise that is settled already': () => Promise.resolve(null),
  'read of an open breaker': (key) => tier.read(key, 0),
  'look-up without a remote tier': (key) => withoutTier.lookup(key),
  'look-up past an open breaker': (key) => withBreaker.lookup(key),
};

/** Reads of one turn of the event loop, as a busy server has them: what a turn costs by itself is shared. */
const AT_ONCE = 100;
const keys = Array.from({ length: reads }, (_, i) => `key${i}`);

async function slice(read: Read): Promise<number> {
  const from = process.cpuUsage();
  for (let at = 0; at < keys.length; at += AT_ONCE) await Promise.all(keys.slice(at, at + AT_ONCE).map(read));
  const { user, system } = process.cpuUsage(from);
  return ((user + system) * 1000) / reads;
}

const figures = new Map(Object.keys(kinds).map((name) => [name, [] as number[]]));
// The first slices are run before the code is compiled.
for (let round = -20; round < slices; round += 1)
  for (const [name, read] of Object.entries(kinds)) {
    const ns = await slice(read);
    if (round >= 0) figures.get(name)?.push(ns);
  }
const of = (name: string): number => median(figures.get(name) ?? []);
for (const name of figures.keys()) process.stdout.write(`${name.padEnd(36)} ${of(name).toFixed(0).padStart(7)} ns\n`);
const extra = of('read of an open breaker') - of('a promise that is settled already');
const whole = median(
  (figures.get('look-up past an open breaker') ?? []).map((ns, i) => ns - (figures.get('look-up without a remote tier')?.[i] ?? 0)),
);
process.stdout.write(
  `\nextra cost of an open breaker: ${extra.toFixed(0)} ns in the tier, ${whole.toFixed(0)} ns in a whole look-up (median of ${slices} pairs)\n`,
);
process.stdout.write(`calls refused: ${tier.breaker.counts.refused}\n`);
