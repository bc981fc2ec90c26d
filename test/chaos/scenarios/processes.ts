import type { Scenario, World } from '../scenario.ts';

const CUT_MS = 3000;
/** Where a relay can be killed. */
const RELAY_STEPS = ['asked', 'numbered', 'applied', 'heard'] as const;
const STEP_MS = 3000;

async function cutOffFromRedis({ processes, chance, pause }: World, among: readonly number[]): Promise<void> {
  const { redis } = processes[chance.pick(among)] ?? chance.pick(processes);
  const lift = redis.impose({ toServer: { stop: true }, toClient: { stop: true } });
  await pause(CUT_MS);
  lift();
  await pause(500);
}

export const processScenarios: readonly Scenario[] = [
  {
    name: 'cut-off-from-redis',
    claim: 'a process that cannot reach Redis while others write serves nothing older than the bound',
    fault: async (world) =>
      cutOffFromRedis(
        world,
        world.processes.map(({ index }) => index),
      ),
  },
  {
    name: 'cut-off-writer',
    claim: 'what is written by a process that cannot reach Redis reaches everyone within the bound',
    relayIn: (process) => process !== 0,
    fault: async (world) => cutOffFromRedis(world, [0]),
  },
  {
    name: 'cut-off-writer-with-relay',
    claim: 'a process that runs the relay and cannot reach Redis hands it over in time',
    relayIn: (process) => process <= 1,
    fault: async (world) => cutOffFromRedis(world, [0, 1]),
  },
  {
    name: 'cut-off-from-postgres',
    claim: 'a process that cannot reach the database serves nothing older than the bound, and says so',
    fault: async ({ processes, chance, pause, databaseAway }) => {
      const { index, database } = chance.pick(processes);
      const back = databaseAway(index);
      const lift = database.impose({ toServer: { stop: true }, toClient: { stop: true } });
      await pause(CUT_MS);
      lift();
      back();
      await pause(500);
    },
  },
  {
    name: 'writer-killed',
    claim: 'a process killed between its commit and its invalidation loses no invalidation',
    fault: async ({ processes, chance, pause }) => {
      // One stays alive, to read what the others left behind.
      const survivor = chance.pick(processes);
      const victims = processes.filter((process) => process !== survivor);
      await Promise.all(victims.map((victim) => victim.dieAtCommit()));
      await pause(chance.between(1500, 2500));
      await Promise.all(victims.map((victim) => victim.respawn()));
    },
  },
  {
    name: 'relay-killed',
    claim: 'a relay killed at any of its steps loses no invalidation',
    fault: async ({ processes, chance, pause }) => {
      for (const step of RELAY_STEPS) {
        const victim = chance.pick(processes);
        if (await victim.dieAtRelayStep(step, STEP_MS)) {
          await pause(chance.between(100, 1500));
          await victim.respawn();
        }
      }
    },
  },
  {
    name: 'frozen-process',
    claim: 'a process that stood still for 5 s serves nothing old when it goes on',
    fault: async ({ processes, chance, pause, frozen }) => {
      const victim = chance.pick(processes);
      const end = frozen(victim.index);
      victim.freeze();
      await pause(5000);
      victim.thaw();
      end();
      await pause(500);
    },
  },
];
