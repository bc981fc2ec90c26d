import type { Findings, Window } from './check.ts';
import { check } from './check.ts';
import { sharedNow } from './clock.ts';
import type { Databases } from './database.ts';
import { Fleet } from './fleet.ts';
import { History } from './history.ts';
import { ABSENT, WriteLog, writesOf } from './logs.ts';
import { makeNewerVersion } from './newer-version.ts';
import { Outsider, pause } from './outsider.ts';
import { SeededChance } from './random.ts';
import type { RedisControl, Topology } from './redis/control.ts';
import { startRedisControl } from './redis/control.ts';
import type { Scenario, World } from './scenario.ts';
import { tempFolder } from './temp-folder.ts';
import { Witness } from './witness.ts';

export interface RunOptions {
  readonly scenario: Scenario;
  readonly topology: Topology;
  readonly seed: number;
  readonly seconds: number;
  readonly boundMs: number;
  readonly processes: number;
  readonly keys: number;
  /** Of all processes together. */
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  /** Module that opens the contestant. */
  readonly contestant: string;
  readonly source: string;
}

export interface RunResult extends Findings {
  readonly scenario: string;
  readonly topology: Topology;
  readonly seed: number;
  readonly seconds: number;
  readonly faults: number;
  /** States of records that were committed, and writes whose outcome nobody was told. */
  readonly writes: number;
  readonly failedWrites: number;
  /** Keys of which some process still has an old state at the end, when all is quiet. */
  readonly stuck: number;
  readonly loads: number;
  /** What readers were told when nobody could say, and how often; without those of processes that were killed. */
  readonly errorTexts: Readonly<Record<string, number>>;
  readonly hitRatio: number;
  /** Which promises were broken, in words; empty if none. */
  readonly broken: readonly string[];
}

const SETTLE_MS = 2000;
const FIRST_FAULT_MS = [800, 1800] as const;
const BETWEEN_FAULTS_MS = [1500, 3000] as const;

/** Plays one scenario with one seed and holds what was read against what was written. */
export async function run(options: RunOptions, databases: Databases): Promise<RunResult> {
  const { scenario, seed, keys, boundMs } = options;
  const chance = new SeededChance(seed, scenario.name);
  using logs = tempFolder('chaos-logs');
  const databaseUrl = await databases.make();
  try {
    await using redis = await startRedisControl(options.topology, chance);
    const share = 1 / options.processes;
    const load = {
      readsPerSecond: (scenario.load?.readsPerSecond ?? options.readsPerSecond) * share,
      writesPerSecond: (scenario.load?.writesPerSecond ?? options.writesPerSecond) * share,
      style: scenario.load?.style ?? 'api',
    };
    const { slowLoadMs = 150, relayIn = () => true, newerIn = () => false, newerReadsToday = true } = scenario;
    using newer = scenario.newerIn === undefined ? null : makeNewerVersion(options.source, { readsToday: newerReadsToday });
    const newerSource = newer?.source ?? options.source;
    const fleetOptions = { ...options, databaseUrl, dir: logs.path, slowLoadMs, relayIn, newerIn, newerSource, load };
    await using fleet = await Fleet.start(fleetOptions, redis, chance);
    const witness = new Witness(databaseUrl, keys);
    await witness.start();
    const settledAt = sharedNow() + SETTLE_MS;
    const windows = await play(options, { chance, redis, fleet, databaseUrl });
    await pause(2 * boundMs + 500);
    const { loaded: loads, errors: errorTexts } = await fleet.tally();
    const stuck = countStuck(await fleet.readAll(), await witness.look());
    await witness.stop();
    const notes = fleet.logs
      .map(({ writeLog }) => writesOf(writeLog))
      .concat([windows.outsiderLog === null ? [] : writesOf(windows.outsiderLog)]);
    const history = new History(notes.flat(), witness.sightings, keys);
    const findings = check({ history, logs: fleet.logs, boundMs, settledAt, ...windows });
    const result = {
      ...findings,
      scenario: scenario.name,
      topology: options.topology,
      seed,
      seconds: options.seconds,
      faults: windows.faults.length,
      writes: history.committed,
      failedWrites: history.failed,
      stuck,
      loads,
      errorTexts,
      hitRatio: 1 - loads / findings.reads,
    };
    return { ...result, broken: brokenPromises(result, boundMs) };
  } finally {
    await databases.drop(databaseUrl);
  }
}

interface Parts {
  readonly chance: SeededChance;
  readonly redis: RedisControl;
  readonly fleet: Fleet;
  readonly databaseUrl: string;
}

interface Windows {
  readonly faults: Window[];
  readonly databaseAway: Window[];
  readonly frozen: Window[];
  readonly outsiderLog: string | null;
}

async function play(
  { scenario, seconds, boundMs, keys, seed }: RunOptions,
  { chance, redis, fleet, databaseUrl }: Parts,
): Promise<Windows> {
  const faults: Window[] = [];
  const databaseAway: Window[] = [];
  const frozen: Window[] = [];
  const open = (list: Window[], process: Window['process']) => {
    const from = sharedNow();
    return (): void => void list.push({ process, from, to: sharedNow() });
  };
  const world: World = {
    chance,
    processes: [...fleet.places],
    redis,
    boundMs,
    pause,
    databaseAway: (process) => open(databaseAway, process),
    frozen: (process) => open(frozen, process),
  };
  await scenario.prepare?.(world);
  let outsiderLog: string | null = null;
  let outsider: Outsider | null = null;
  if (scenario.outsider !== undefined) {
    const writer = fleet.nextWriter();
    outsiderLog = fleet.logFor(writer, 'writes');
    outsider = new Outsider({ url: databaseUrl, log: new WriteLog(outsiderLog), chance: new SeededChance(seed, 'outsider'), keys, writer });
    outsider.work(scenario.outsider);
  }
  await fleet.work();
  const endAt = sharedNow() + seconds * 1000;
  if (scenario.fault !== undefined) {
    await pause(chance.between(...FIRST_FAULT_MS));
    do {
      const close = open(faults, 'all');
      await scenario.fault(world);
      close();
      await pause(chance.between(...BETWEEN_FAULTS_MS));
    } while (sharedNow() < endAt);
  }
  await pause(Math.max(0, endAt - sharedNow()));
  await outsider?.stop();
  await fleet.rest();
  return { faults, databaseAway, frozen, outsiderLog };
}

function countStuck(held: readonly (readonly number[])[], truth: ReadonlyMap<number, number | null>): number {
  let stuck = 0;
  for (const [key, version] of truth) if (held.some((versions) => versions[key] !== (version ?? ABSENT))) stuck += 1;
  return stuck;
}

function brokenPromises(result: Findings & { readonly stuck: number }, boundMs: number): string[] {
  const { stale, stuck, backward, ghosts, ownMissed, errors, worstMs } = result;
  return [
    stale.overBound > 0 ? `${stale.overBound} reads staler than ${boundMs} ms (worst ${Math.round(worstMs)} ms)` : '',
    stuck > 0 ? `${stuck} keys still old at the end` : '',
    backward > 0 ? `${backward} reads went back in time` : '',
    ghosts > 0 ? `${ghosts} values that never existed` : '',
    ownMissed > 0 ? `${ownMissed} reads missed their own process's write` : '',
    errors.other > 0 ? `${errors.other} errors while the database was there` : '',
  ].filter((sentence) => sentence !== '');
}
