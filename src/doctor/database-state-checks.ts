import { createChangeLog } from '../postgres/change-log.ts';
import type { Database } from '../postgres/database.ts';
import type { Check, World } from './check.ts';
import { count, databaseOf, done, skipped } from './check.ts';
import { pause } from './pause.ts';

/** As many as the alert of the outbox is told at. */
const DEEP = 1000;
const POLL_MS = 100;
/** Numbering what waits may take a moment after the bound; looks for it are four in a second at least, whatever the bound. */
const GRACE_MS = 500;
const MOST_BOUND_MS = 3_000;
const MINUTE_MS = 60_000;
/** What each process has besides its pool: the lane for the log of changes. */
const LANE = 2;

const OLDEST = 'select min(xid)::text as oldest from (select xid from forebay.outbox order by xid limit 1) o';

async function oldest(database: Database, signal: AbortSignal): Promise<string | null> {
  return (await database.query<{ oldest: string | null }>(OLDEST, [], { signal }))[0]?.oldest ?? null;
}

/** Whether what waits longest gets a number within the bound. */
async function isMoving(world: World, database: Database, first: string, signal: AbortSignal): Promise<boolean> {
  const endAt = world.clock.now() + Math.min(world.settings.maxStalenessMs, MOST_BOUND_MS) + GRACE_MS;
  while (world.clock.now() < endAt) {
    await pause(world.clock, POLL_MS, signal);
    if ((await oldest(database, signal)) !== first) return true;
  }
  return false;
}

const outbox: Check = {
  name: 'database.outbox',
  asks: 'changes that wait are numbered within the bound, and not many wait',
  why: 'A change that has no number is known to no cache. While any waits longer than the bound nothing can be proven, so caches are not used.',
  mends: 'start a process with FOREBAY_RELAY=always; `forebay status` says what keeps the ones that run',
  needs: ['database.schema'],
  async run(world, signal) {
    const database = databaseOf(world);
    const log = createChangeLog(database);
    const depth = await log.waiting({ signal });
    const first = await oldest(database, signal);
    if (first === null) return done('no change waits');
    const said = `${depth >= 10_000 ? 'at least ' : ''}${count(depth, 'row')} waited`;
    // Nobody need relay at this moment: the service may just not run.
    const relaysLater = world.settings.relay === 'always' && world.targets.running === null;
    if (relaysLater && depth <= DEEP) return done(`${said}; a process with these settings takes what waits`);
    const moves = await isMoving(world, database, first, signal);
    if (moves && depth <= DEEP) return done(`${said}, and ${depth === 1 ? 'was' : 'were'} taken`);
    if (moves)
      return done(said, [
        {
          severity: 'warning',
          what: `${count(depth, 'row')} of changes wait: whoever numbers them is far behind`,
          mend: 'see ForebayOutboxDeep in docs/operations.md; a bulk load is quicker with one note for everything (docs/outbox.md, "By hand")',
        },
      ]);
    return done(said, [
      {
        severity: relaysLater ? 'warning' : 'error',
        what: `${count(depth, 'row')} of changes wait, and nobody numbers them: no process relays now`,
        mend: 'start a process with FOREBAY_RELAY=always',
      },
    ]);
  },
};

interface Holder {
  readonly what: string;
  readonly seconds: number;
  readonly mend: string;
}

// Sessions of others show their times only to those who may read statistics; what is hidden cannot be told.
const HOLDERS = `
  select 'a transaction of ' || coalesce(usename, 'somebody') || ' (process ' || pid || ', ' || coalesce(state, 'state unknown') || coalesce(', ' || nullif(application_name, ''), '') || ')' as what,
         extract(epoch from clock_timestamp() - xact_start)::float8 as seconds, 'select pg_terminate_backend(' || pid || ')' as mend
    from pg_stat_activity
   where pid <> pg_backend_pid() and xact_start < clock_timestamp() - make_interval(secs => $1::float8 / 1000) and (backend_xid is not null or backend_xmin is not null)
     -- Vacuum holds nothing back for others, however long it takes on a large table.
     and backend_type is distinct from 'autovacuum worker'
  union all
  select 'the prepared transaction "' || gid || '"', extract(epoch from clock_timestamp() - prepared)::float8, 'rollback prepared ' || quote_literal(gid)
    from pg_prepared_xacts where prepared < clock_timestamp() - make_interval(secs => $1::float8 / 1000)
   order by seconds desc limit 5`;

const transactions: Check = {
  name: 'database.transactions',
  asks: 'no transaction has been open for more than five minutes',
  why: 'While one is open vacuum removes nothing that was deleted since it began: outbox and log grow with every write. A change made in it long ago is told late, when it commits.',
  mends: 'end the transaction, or give its user an idle_in_transaction_session_timeout',
  needs: ['database.reach'],
  async run(world, signal) {
    const database = databaseOf(world);
    if (database.kind === 'pglite') return skipped('the embedded database has this one session');
    const found = await database.query<Holder>(HOLDERS, [world.limits.longTransactionMs], { signal });
    return done(
      found.length === 0 ? 'none is open for long' : `${count(found.length, 'transaction')} open for long`,
      found.map(({ what, seconds, mend }) => ({
        severity: 'warning',
        what: `${what} has been open for ${seconds < 120 ? count(Math.round(seconds), 'second') : count(Math.round((seconds * 1000) / MINUTE_MS), 'minute')}`,
        mend,
      })),
    );
  },
};

const DURABILITY = `
  select name, setting from pg_settings where name in ('fsync', 'full_page_writes', 'synchronous_commit')`;

const durability: Check = {
  name: 'database.durability',
  asks: '`fsync`, `full_page_writes` and `synchronous_commit` are on',
  why: 'Caches count on it that a commit is a commit. If the server loses what it acknowledged, they may hold what is gone, and numbers may come a second time.',
  mends: 'alter system reset fsync (or the setting that is named); select pg_reload_conf()',
  needs: ['database.reach'],
  async run(world, signal) {
    const database = databaseOf(world);
    if (database.kind === 'pglite')
      return skipped('the embedded database does not flush files itself: a power cut may cost the last records');
    const rows = await database.query<{ name: string; setting: string }>(DURABILITY, [], { signal });
    const off = rows.filter(({ setting }) => setting === 'off');
    return done(
      off.length === 0 ? 'commits are flushed' : 'commits may be lost',
      off.map(({ name }) => ({
        severity: name === 'synchronous_commit' ? 'warning' : 'error',
        what: `${name} is off: ${name === 'synchronous_commit' ? 'a crash loses the last commits that were acknowledged' : 'a crash may lose or damage data'}`,
        mend: `alter system reset ${name}; select pg_reload_conf(); if it stays off, it is in postgresql.conf, on the command line, or set for the role or database`,
      })),
    );
  },
};

const vacuum: Check = {
  name: 'database.vacuum',
  asks: 'autovacuum is on',
  why: 'Every change leaves dead rows in outbox, log and sequencer. Without vacuum they grow for ever.',
  mends: 'alter system set autovacuum = on; select pg_reload_conf()',
  needs: ['database.reach'],
  async run(world, signal) {
    const database = databaseOf(world);
    if (database.kind === 'pglite') return skipped('the embedded database is vacuumed by this program');
    const [row] = await database.query<{ on: string }>(`select current_setting('autovacuum') as "on"`, [], { signal });
    if (row?.on === 'on') return done('autovacuum is on');
    return done('autovacuum is off', [
      { severity: 'warning', what: 'autovacuum is off', mend: 'alter system set autovacuum = on; select pg_reload_conf()' },
    ]);
  },
};

interface Room {
  readonly most: number;
  readonly reserved: number;
  readonly others: number;
  readonly roleLimit: number;
  readonly databaseLimit: number;
}

// Sessions of Forebay itself are not counted: they are those that the room is for.
const ROOM = `
  select current_setting('max_connections')::integer as most,
         current_setting('superuser_reserved_connections')::integer + coalesce((select setting::integer from pg_settings where name = 'reserved_connections'), 0) as reserved,
         (select count(*)::integer from pg_stat_activity where datid is not null and application_name is distinct from 'forebay') as others,
         (select rolconnlimit from pg_roles where rolname = current_user) as "roleLimit",
         (select datconnlimit from pg_database where datname = current_database()) as "databaseLimit"`;

const connections: Check = {
  name: 'database.connections',
  asks: 'the server has room for the pool of one process, beside the connections of others',
  why: 'A pool that cannot grow makes callers wait and then fail, at the very moment at which the load is high. The log of changes needs two connections besides.',
  mends: 'lower FOREBAY_DATABASE_CONNECTIONS, raise max_connections, or put a pooler in session mode in front',
  needs: ['database.reach'],
  async run(world, signal) {
    const database = databaseOf(world);
    if (database.kind === 'pglite') return skipped('the embedded database has one connection');
    const [room] = await database.query<Room>(ROOM, [], { signal });
    if (room === undefined) return skipped('the server does not say');
    const needed = world.settings.databaseConnections + LANE;
    const free = room.most - room.reserved - room.others;
    const limits = [
      { name: `max_connections (${room.most})`, left: free, of: room.most - room.reserved },
      { name: `the limit of this role (${room.roleLimit})`, left: room.roleLimit, of: room.roleLimit },
      { name: `the limit of this database (${room.databaseLimit})`, left: room.databaseLimit, of: room.databaseLimit },
    ].filter(({ of }) => of >= 0);
    const tight = limits.filter(({ left }) => left < needed);
    return done(
      `a process takes up to ${needed}; there is room for ${Math.min(...limits.map(({ left }) => left))}`,
      tight.map(({ name, left, of }) => ({
        severity: of < needed ? 'error' : 'warning',
        what: `one process may take ${count(needed, 'connection')}, and ${name} leaves room for ${Math.max(0, left)}`,
        mend: `FOREBAY_DATABASE_CONNECTIONS=${Math.max(1, left - LANE)}, or alter system set max_connections = ${room.most + needed * 2} and restart the server`,
      })),
    );
  },
};

/** How the database is. */
export const DATABASE_STATE_CHECKS: readonly Check[] = [outbox, transactions, durability, vacuum, connections];
