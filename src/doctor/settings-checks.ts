import { formatDuration } from '../core/duration.ts';
import type { Check } from './check.ts';
import { done } from './check.ts';

const DAY_MS = 86_400_000;
const SECOND_MS = 1000;

const ttl: Check = {
  name: 'settings.ttl',
  asks: 'a fixed TTL is between a second and a day',
  why: 'Invalidation keeps entries right; the TTL bounds what an invalidation misses that nothing could tell of (triggers disabled for a while, rows that logical replication applied). Entries that live shorter than they are away from each other save nothing.',
  mends: 'leave `fixedTtlMs` at `adaptive`, or set it to some minutes or hours',
  async run({ settings: { fixedTtlMs } }) {
    if (fixedTtlMs === null) return done('the TTL is adaptive, 60 s to 6 h');
    const said = `the TTL is fixed at ${formatDuration(fixedTtlMs)}`;
    if (fixedTtlMs > DAY_MS)
      return done(said, [
        {
          severity: 'warning',
          what: `a fixed TTL of ${formatDuration(fixedTtlMs)}: what an invalidation missed stays wrong for so long`,
          mend: 'FOREBAY_FIXED_TTL_MS=adaptive, or at most 1d',
        },
      ]);
    if (fixedTtlMs < SECOND_MS)
      return done(said, [
        {
          severity: 'warning',
          what: `a fixed TTL of ${formatDuration(fixedTtlMs)}: entries are gone before they are read again`,
          mend: 'FOREBAY_FIXED_TTL_MS=adaptive, or at least 1s',
        },
      ]);
    return done(said);
  },
};

const tls: Check = {
  name: 'settings.tls',
  asks: 'certificates are verified where TLS is used',
  why: 'Whoever can put himself in between reads records and passwords, and can answer in place of the server: encryption without verification keeps out nobody who is active.',
  mends: 'give the authority that signed the certificate (`caFile` for Redis, `sslrootcert` for Postgres), and verify again',
  async run({ settings: { unverifiedTls } }) {
    return done(
      unverifiedTls.length === 0 ? 'nothing turns verification off' : 'verification is turned off',
      unverifiedTls.map((what) => ({
        severity: 'warning',
        what,
        mend: 'unset NODE_TLS_REJECT_UNAUTHORIZED, take sslmode=no-verify out of the database URL, and name the authority: ?caFile=… for Redis, ?sslmode=verify-full&sslrootcert=… for Postgres',
      })),
    );
  },
};

/** What can be said of the settings alone. */
export const SETTINGS_CHECKS: readonly Check[] = [ttl, tls];
