import type { Scenario } from '../scenario.ts';

export const writerScenarios: readonly Scenario[] = [
  {
    name: 'rollback',
    claim: 'what was rolled back is served by no cache, though it was read inside the transaction',
    load: { style: 'rollBack' },
  },
  {
    name: 'psql',
    claim: 'rows changed behind our back are seen within the bound',
    load: { writesPerSecond: 2 },
    outsider: { sessions: 2, perSecond: 20, openMs: 0, rollBackShare: 0.1 },
  },
  {
    name: 'commits-out-of-order',
    claim: 'a long transaction that commits after later ones is not passed over',
    load: { writesPerSecond: 4 },
    outsider: { sessions: 6, perSecond: 20, openMs: 1500, rollBackShare: 0.1 },
  },
];
