import { afterAll, beforeAll, expect, test } from 'vitest';
import { Databases } from './database.ts';
import { table } from './report.ts';
import type { Topology } from './redis/control.ts';
import { run } from './run.ts';
import { scenarioNamed } from './scenarios.ts';
import type { SourceCopy } from './source-copy.ts';
import { contestantNamed, copySource } from './source-copy.ts';

/** Small enough for every `npm test`; `npm run chaos` has the rest. */
const SECONDS = 5;
const SEED = 1;
const KEYS = 200;

let copy: SourceCopy;
let databases: Databases;

beforeAll(async () => {
  copy = copySource();
  databases = await Databases.start(copy.source, KEYS);
});

afterAll(async () => {
  await databases?.[Symbol.asyncDispose]();
  copy?.[Symbol.dispose]();
});

/** On each kind of Redis what is particular to it; what is the same on all of them is played on the one that starts quickest. */
test.each<[string, Topology]>([
  ['calm', 'standalone'],
  ['bus-half-open', 'standalone'],
  ['redis-keys-lost', 'standalone'],
  ['rolling-upgrade', 'standalone'],
  ['calm', 'tls'],
  ['redis-killed', 'tls'],
  ['failover', 'sentinel'],
  ['cut-off-from-redis', 'sentinel'],
  ['failover', 'cluster'],
  ['slots-moved', 'cluster'],
  ['rolling-upgrade-tags', 'cluster'],
])('%s on %s: nothing older than the bound is served, and nothing is stuck', async (name, topology) => {
  const result = await run(
    {
      scenario: scenarioNamed(name),
      topology,
      seed: SEED,
      seconds: SECONDS,
      boundMs: 1000,
      processes: 3,
      keys: KEYS,
      readsPerSecond: 600,
      writesPerSecond: 30,
      contestant: contestantNamed('forebay'),
      source: copy.source,
    },
    databases,
  );
  // A run in which nothing was read or written would hold every promise.
  expect(result.reads).toBeGreaterThan(1000);
  expect(result.writes).toBeGreaterThan(KEYS + 50);
  // Of two versions, the older one forgets everything with each change that it cannot read.
  expect(result.hitRatio).toBeGreaterThan(name === 'rolling-upgrade' ? 0.25 : 0.5);
  expect(result.broken, table([result])).toEqual([]);
});
