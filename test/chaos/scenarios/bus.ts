import type { Scenario } from '../scenario.ts';

/** Which connection is the bus can be told only where the proxies can read along. */
const LEGIBLE = ['standalone', 'sentinel', 'cluster'] as const;
const CUT_MS = 3000;

export const busScenarios: readonly Scenario[] = [
  {
    name: 'calm',
    claim: 'with slow loads and nothing broken, what was written is seen within milliseconds',
    slowLoadMs: 400,
  },
  {
    name: 'bus-closed',
    claim: 'a process whose bus connection is closed for 3 s serves nothing older than the bound',
    on: LEGIBLE,
    slowLoadMs: 500,
    fault: async ({ chance, processes, pause }) => {
      const { redis } = chance.pick(processes);
      // New connections are refused only to the bus: the command connection is there already.
      const lift = redis.impose({ refuse: true });
      redis.cut('drop', ({ kind }) => kind === 'subscriber');
      await pause(CUT_MS);
      lift();
    },
  },
  {
    name: 'bus-half-open',
    claim: 'a process whose bus connection looks alive and brings nothing for 3 s serves nothing older than the bound',
    on: LEGIBLE,
    // A load that is under way hears of no invalidation: only its lease keeps it from filling Redis with what is old.
    slowLoadMs: 500,
    fault: async ({ chance, processes, pause }) => {
      const lift = chance.pick(processes).redis.impose({ select: ({ kind }) => kind === 'subscriber', toClient: { stop: true } });
      await pause(CUT_MS);
      lift();
    },
  },
  {
    name: 'tags',
    claim: 'an entry is never served again once its tag was invalidated, whatever loads were under way',
    slowLoadMs: 400,
    load: { style: 'tags', writesPerSecond: 10 },
  },
];
