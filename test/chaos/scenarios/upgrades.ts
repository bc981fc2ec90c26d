import type { Scenario, World } from '../scenario.ts';

/** The share of restarts in which a process comes back as it was. */
const SAME_SHARE = 1 / 3;

/** Restarts a process, as the other version, as the same, so that there always are some of both. */
async function restartOne({ processes, chance, pause }: World, orderly: boolean): Promise<void> {
  const newer = processes.filter(({ version }) => version === 'newer');
  const today = processes.filter(({ version }) => version === 'today');
  const more = newer.length > today.length ? newer : today;
  const isSame = chance.next() < SAME_SHARE || more.length < 2;
  const process = chance.pick(isSame ? processes : more);
  const other = process.version === 'newer' ? 'today' : 'newer';
  await process.restartAs(isSame ? process.version : other, { orderly });
  await pause(500);
}

const halfNewer = (process: number): boolean => process % 2 === 1;

export const upgradeScenarios: readonly Scenario[] = [
  {
    name: 'rolling-upgrade',
    claim:
      'two versions, of which each has formats that the other cannot read, work on one Redis and one database, through restarts of either',
    newerIn: halfNewer,
    fault: (world) => restartOne(world, false),
  },
  {
    name: 'rolling-upgrade-tags',
    claim: 'the same, when only their tag tells of changes, and the versions number tags in different ways',
    load: { style: 'tags' },
    newerIn: halfNewer,
    newerReadsToday: false,
    // A process that dies between a change that no trigger notes and its word about the tag leaves the caches untold, whatever the version.
    fault: (world) => restartOne(world, true),
  },
];
