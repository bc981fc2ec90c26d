import type { Check } from './check.ts';
import { DATABASE_CHECKS } from './database-checks.ts';
import { DATABASE_STATE_CHECKS } from './database-state-checks.ts';
import { LOOP_CHECKS } from './loop-checks.ts';
import { REDIS_CHECKS } from './redis-checks.ts';
import { REDIS_SERVER_CHECKS } from './redis-server-checks.ts';
import { REDIS_USE_CHECKS } from './redis-use-checks.ts';
import { SETTINGS_CHECKS } from './settings-checks.ts';

/** Every check, in the order in which they are made; docs/doctor.md has them in this order too. */
export const CHECKS: readonly Check[] = [
  ...SETTINGS_CHECKS,
  ...DATABASE_CHECKS,
  ...DATABASE_STATE_CHECKS,
  ...REDIS_CHECKS,
  ...REDIS_SERVER_CHECKS,
  ...REDIS_USE_CHECKS,
  ...LOOP_CHECKS,
];
