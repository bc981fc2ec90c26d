import type { Clock } from './core/clock.ts';
import type { FollowingTier } from './following-tier.ts';
import type { WarmthSources } from './metrics/warm-metrics.ts';
import type { RecoveryCause } from './recovery/recovery.ts';
import type { RecoveryFacts } from './recovery/tracker.ts';

/** A look at the log that failed once is a blip. */
const DATABASE_DOWN_MS = 400;

export interface RecoverySources {
  readonly follower: FollowingTier;
  readonly warmth: WarmthSources & { readonly isWarming: () => boolean; readonly isOff: boolean };
  readonly clock: Clock;
}

const NO_RUNS = Object.freeze({ done: 0, elsewhere: 0, no_remote: 0, failed: 0, stopped: 0 });

/** How things are for whoever watches a recovery. */
export function recoveryFacts({ follower, warmth, clock }: RecoverySources): RecoveryFacts {
  const { relay, levelAt, source } = follower.stats();
  const asOf = follower.asOf(clock.now());
  const warmed = warmth.warmer();
  return {
    amiss: [...redisAmiss(follower), ...((source.failingMs ?? 0) > DATABASE_DOWN_MS ? (['database_away'] as const) : [])],
    probing: follower.breaker?.state === 'half-open',
    // A process without a relay knows what it has heard itself; how far Redis is, it sees at each read.
    levelAt: relay === null ? asOf : Math.min(levelAt ?? Number.NEGATIVE_INFINITY, asOf),
    applied: relay?.applied ?? 0,
    restarts: relay?.restarts ?? 0,
    warming: {
      running: warmth.isWarming(),
      isOff: warmth.isOff,
      loaded: warmed?.loaded ?? 0,
      found: warmed?.found ?? 0,
      runs: { ...(warmed?.runs ?? NO_RUNS) },
    },
    paced: warmth.pacer.recovering,
  };
}

function redisAmiss(follower: FollowingTier): RecoveryCause[] {
  const { breaker, health } = follower;
  if (breaker === null) return [];
  if (breaker.state === 'isolated') return ['redis_isolated'];
  if (follower.state() === 'down') return ['redis_away'];
  return health?.nodes().some((node) => node.state === 'down') === true ? ['node_away'] : [];
}
