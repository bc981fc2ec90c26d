/** `npm run chaos`: see docs/chaos.md. */
import { parseArgs } from 'node:util';
import { Databases } from './database.ts';
import { applyMutation, mutationNamed, mutations } from './mutations.ts';
import type { Topology } from './redis/control.ts';
import { TOPOLOGIES } from './redis/control.ts';
import { details, table } from './report.ts';
import type { RunResult } from './run.ts';
import { run } from './run.ts';
import { scenarioNamed, scenarios } from './scenarios.ts';
import { contestantNamed, copySource } from './source-copy.ts';

const OPTIONS = {
  scenario: { type: 'string' },
  redis: { type: 'string', default: 'standalone' },
  seeds: { type: 'string' },
  seconds: { type: 'string', default: '20' },
  bound: { type: 'string', default: '1000' },
  processes: { type: 'string', default: '4' },
  keys: { type: 'string', default: '200' },
  reads: { type: 'string', default: '1500' },
  writes: { type: 'string', default: '40' },
  jobs: { type: 'string', default: '1' },
  contestant: { type: 'string', default: 'forebay' },
  mutate: { type: 'string' },
  json: { type: 'boolean', default: false },
  list: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const HELP = `npm run chaos -- [options]

  --scenario NAME[,NAME]   only these (default: all)
  --redis KIND[,KIND]      standalone, tls, sentinel, cluster (default: standalone)
  --seeds 1,2,3            one run each (default: one drawn at random, and printed)
  --seconds 20             of load in each run; a fault that was begun is played to its end
  --bound 1000             the promise in ms
  --processes 4  --keys 200  --reads 1500  --writes 40 (a second, all processes together)
  --jobs 1                 runs at once
  --contestant forebay     or a rival: see bench/consistency/README.md
  --mutate NAME[,NAME]|all switch a check of the engine off, and see that the checker finds out
  --json                   one JSON object per run, and nothing else, on the standard output
  --list                   scenarios and mutations
`;

type Values = ReturnType<typeof parse>;

function parse() {
  return parseArgs({ options: OPTIONS, allowPositionals: false }).values;
}

function number(
  values: Values,
  name: 'seconds' | 'bound' | 'processes' | 'keys' | 'reads' | 'writes' | 'jobs',
  least: number,
  most: number,
): number {
  const value = Number(values[name]);
  if (!(value >= least && value <= most)) throw new Error(`--${name} is "${values[name]}"; give a number from ${least} to ${most}`);
  return value;
}

interface Job {
  readonly topology: Topology;
  readonly scenario: string;
  readonly seed: number;
}

async function runAll(values: Values, source: string, jobs: readonly Job[]): Promise<RunResult[]> {
  const shared = {
    seconds: number(values, 'seconds', 1, 3600),
    boundMs: number(values, 'bound', 100, 60_000),
    processes: number(values, 'processes', 1, 16),
    keys: number(values, 'keys', 20, 10_000),
    readsPerSecond: number(values, 'reads', 1, 100_000),
    writesPerSecond: number(values, 'writes', 0, 10_000),
    contestant: contestantNamed(values.contestant),
    source,
  };
  const results: RunResult[] = [];
  const queue = [...jobs];
  const lane = async (): Promise<void> => {
    await using databases = await Databases.start(source, shared.keys);
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const result = await run({ ...shared, topology: job.topology, scenario: scenarioNamed(job.scenario), seed: job.seed }, databases);
      results.push(result);
      if (values.json) console.log(JSON.stringify(result));
      else
        console.error(
          `${job.scenario} (${job.topology}), seed ${job.seed}: ${result.broken.length === 0 ? 'held' : result.broken.join('; ')}`,
        );
    }
  };
  const lanes = Math.min(number(values, 'jobs', 1, 16), jobs.length);
  await Promise.all(Array.from({ length: lanes }, lane));
  const place = (result: RunResult): number =>
    jobs.findIndex(({ topology, scenario, seed }) => topology === result.topology && scenario === result.scenario && seed === result.seed);
  return results.sort((a, b) => place(a) - place(b));
}

/**
 * Each spoilt engine against the scenarios that have to notice. Resolves to whether all were caught. The intact engine goes first: a scenario that breaks it too says nothing about a mutation.
 */
async function runMutations(values: Values, seeds: readonly number[]): Promise<boolean> {
  const chosen = values.mutate === 'all' ? mutations : (values.mutate ?? '').split(',').map(mutationNamed);
  const named = values.scenario?.split(',');
  const wanted = [...new Set(chosen.flatMap(({ caughtBy }) => named ?? caughtBy))];
  console.error('the intact engine:');
  const sound = new Set(wanted);
  {
    using copy = copySource();
    for (const { scenario, broken } of await runAll(values, copy.source, jobsOf(wanted, seeds)))
      if (broken.length > 0) sound.delete(scenario);
  }
  let allCaught = true;
  const lines = wanted.filter((name) => !sound.has(name)).map((name) => `${name} breaks the intact engine: it cannot tell anything`);
  for (const mutation of chosen) {
    const judges = (named ?? mutation.caughtBy).filter((name) => sound.has(name));
    console.error(`without: ${mutation.without}`);
    using copy = copySource();
    applyMutation(mutation, copy.source);
    const results = await runAll(values, copy.source, jobsOf(judges, seeds));
    const caught = results.filter(({ broken }) => broken.length > 0);
    allCaught &&= caught.length > 0;
    const by = caught.map(({ scenario, seed, broken }) => `${scenario}, seed ${seed} (${broken.join(', ')})`).join('; ');
    lines.push(
      `${mutation.name.padEnd(16)} ${caught.length > 0 ? `caught by ${by}` : `NOT CAUGHT by ${judges.join(', ') || 'any scenario'}`}`,
    );
  }
  console.log(lines.join('\n'));
  return allCaught;
}

/** What can be played on each; a scenario that can be played on none of them is an error. */
function jobsOf(names: readonly string[], seeds: readonly number[], topologies: readonly Topology[] = ['standalone']): Job[] {
  return names.flatMap((scenario) => {
    const { on = TOPOLOGIES } = scenarioNamed(scenario);
    const fitting = topologies.filter((topology) => on.includes(topology));
    if (fitting.length === 0) throw new Error(`"${scenario}" is for ${on.join(', ')}; choose one with --redis`);
    return fitting.flatMap((topology) => seeds.map((seed) => ({ topology, scenario, seed })));
  });
}

function topologiesOf(values: Values): Topology[] {
  return values.redis.split(',').map((name) => {
    const topology = TOPOLOGIES.find((one) => one === name);
    if (topology === undefined) throw new Error(`--redis is "${values.redis}"; give some of ${TOPOLOGIES.join(', ')}`);
    return topology;
  });
}

async function main(): Promise<number> {
  // Each server and worker wants to end with us.
  process.setMaxListeners(0);
  const values = parse();
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  if (values.list) {
    for (const { name, claim, on } of scenarios) console.log(`${name.padEnd(28)}${claim}${on === undefined ? '' : ` (${on.join(', ')})`}`);
    for (const { name, without, caughtBy } of mutations) console.log(`--mutate ${name.padEnd(19)}${without} (${caughtBy.join(', ')})`);
    return 0;
  }
  const seeds = values.seeds?.split(',').map(Number) ?? [Math.floor(Math.random() * 1e6)];
  if (!seeds.every(Number.isSafeInteger)) throw new Error(`--seeds is "${values.seeds}"; give whole numbers with commas between`);
  if (!values.json) console.error(`seeds ${seeds.join(',')}`);
  if (values.mutate !== undefined) return (await runMutations(values, seeds)) ? 0 : 1;
  const topologies = topologiesOf(values);
  const playable = scenarios.filter(({ on }) => on === undefined || on.some((one) => topologies.includes(one)));
  const jobs = jobsOf(values.scenario?.split(',') ?? playable.map(({ name }) => name), seeds, topologies);
  using copy = copySource();
  const results = await runAll(values, copy.source, jobs);
  const broken = results.filter((result) => result.broken.length > 0);
  if (!values.json) {
    console.log(`\n${table(results)}\n`);
    for (const result of broken) console.log(details(result));
  }
  return broken.length === 0 ? 0 : 1;
}

// Ended from outside, the servers and workers are ended too, by their own listeners of our exit.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(2));

process.exitCode = await main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  return 2;
});
