import type { BreakerControl } from './cache/breaker-types.ts';
import { systemClock } from './core/clock.ts';
import { ForebayError } from './core/errors.ts';
import type { FileStore } from './files/store.ts';
import type { FollowingTier } from './following-tier.ts';
import type { Readiness } from './forebay.ts';

const READINESS_MS = 1000;

/** Why Redis is not asked, for people. */
function whyDown(breaker: BreakerControl | null): string {
  switch (breaker?.state) {
    case 'isolated':
      return 'Redis is isolated by hand until it is restored';
    case 'open':
    case 'half-open':
      return 'the breaker of Redis is open until Redis answers its probes';
    default:
      return 'Redis cannot be reached';
  }
}

/** Asks the database now; takes at most a second. */
export async function readiness(store: FileStore, follower: FollowingTier, maxStalenessMs: number): Promise<Readiness> {
  const reasons: string[] = [];
  const redis = follower.state();
  const { breaker } = follower;
  if (redis === 'down') reasons.push(`${whyDown(breaker)}: every miss of process memory goes to the database`);
  const now = systemClock.now();
  const age = now - follower.asOf(now);
  const stalenessMs = Number.isFinite(age) ? Math.round(age) : null;
  if (stalenessMs === null || stalenessMs > maxStalenessMs) {
    const known = stalenessMs === null ? 'nothing is proven yet' : `what was committed in the last ${stalenessMs} ms may not be known here`;
    reasons.push(`the caches are not used: ${known}, and the bound is ${maxStalenessMs} ms`);
  }
  let database: Readiness['database'] = 'up';
  try {
    await store.ping({ signal: AbortSignal.timeout(READINESS_MS) });
  } catch (error) {
    database = 'down';
    reasons.push(error instanceof ForebayError ? error.message : `the database did not answer within ${READINESS_MS} ms`);
  }
  return { ready: database === 'up', database, redis, breaker: breaker?.state ?? 'off', stalenessMs, maxStalenessMs, reasons };
}
