import { listAttached } from '../postgres/attached.ts';
import { readMissingRights } from '../postgres/needed-rights.ts';
import { readSchemaState } from '../postgres/schema-state.ts';
import type { TriggerState } from '../postgres/triggers.ts';
import { readTriggers } from '../postgres/triggers.ts';
import type { Database } from '../postgres/database.ts';
import type { Check, Findings } from './check.ts';
import { count, databaseOf, done, ms, skipped } from './check.ts';
import { RateSampler } from './clock-rate.ts';

/** The attach command needs functions of this version; what is older than 13 lacks the type of transaction numbers. */
const GOOD_VERSION = 140_000;
const LEAST_VERSION = 130_000;
const FORGET_ALL = 'insert into forebay.outbox (everything) values (true)';

const reach: Check = {
  name: 'database.reach',
  asks: 'the database can be opened, and answers',
  why: 'It is the source of every record. Without it nothing new is read, and caches serve for the length of the bound only.',
  mends:
    'correct FOREBAY_DATABASE_URL (`forebay config` shows the one in effect), and see that the server runs: psql "$FOREBAY_DATABASE_URL" -c "select 1"',
  async run(world, signal) {
    const { clock, targets } = world;
    const database = await targets.openDatabase();
    world.database = database;
    const from = clock.now();
    const [row] = await database.query<{ version: string; number: number }>(
      "select current_setting('server_version') as version, current_setting('server_version_num')::integer as number",
      [],
      { signal },
    );
    const tookMs = clock.now() - from;
    const { version = 'unknown', number = 0 } = row ?? {};
    const said = `Postgres ${version}${database.kind === 'pglite' ? ' in this process (PGlite)' : ''} answers in ${ms(tookMs)}: ${database.description}`;
    world.rate = new RateSampler(database, clock);
    const { rate } = world;
    world.closing.push(() => rate.stop());
    if (number >= GOOD_VERSION) return done(said);
    return done(said, [
      {
        severity: number < LEAST_VERSION ? 'error' : 'warning',
        what: `Postgres ${version} is older than 14`,
        why: 'The schema is tried on 14 and later; before 13 there are no 64-bit transaction numbers, on which the log of changes is built.',
        mend: 'upgrade the server',
      },
    ]);
  },
};

const writable: Check = {
  name: 'database.writable',
  asks: 'the database takes writes: no standby, no `default_transaction_read_only`',
  why: 'Changes get their numbers by writes. On a standby nothing is numbered and nothing proven, and records read from one may be older than those that caches were told to forget.',
  mends: 'name the primary in FOREBAY_DATABASE_URL; `alter role … reset default_transaction_read_only`',
  needs: ['database.reach'],
  async run(world, signal) {
    const [row] = await databaseOf(world).query<{ standby: boolean; readonly: string; user: string; database: string }>(
      `select pg_is_in_recovery() as standby, current_setting('transaction_read_only') as readonly,
              quote_ident(current_user) as "user", quote_ident(current_database()) as database`,
      [],
      { signal },
    );
    if (row?.standby === true)
      return done('it is a standby', [
        { severity: 'error', what: 'the database is a standby, which takes no writes', mend: 'name the primary in FOREBAY_DATABASE_URL' },
      ]);
    if (row?.readonly === 'on')
      return done('transactions are read-only', [
        {
          severity: 'error',
          what: 'transactions of this user are read-only from their beginning (default_transaction_read_only)',
          mend: `alter role ${row.user} reset default_transaction_read_only; alter database ${row.database} reset default_transaction_read_only; or take it out of postgresql.conf and of the URL`,
        },
      ]);
    return done('it is a primary and takes writes');
  },
};

const rights: Check = {
  name: 'database.rights',
  asks: 'the user has the rights that reading, writing, numbering changes and starting need',
  why: 'Each of them is used: without one to the outbox no change is numbered, and then no cache is believed; without `create` a process does not start when it has migrations to apply.',
  mends: 'connect as the owner of the schema `forebay`, or `grant` what the finding names',
  needs: ['database.reach'],
  async run(world, signal) {
    const database = databaseOf(world);
    const { user, missing } = await readMissingRights(database, signal);
    const hasToMigrate = world.settings.migrates && (await isBehind(database, signal));
    const relevant = missing.filter(({ forMigration }) => !forMigration || hasToMigrate);
    if (relevant.length === 0) return done(`the user ${user} has every right that is needed`);
    return {
      ...done(`the user ${user} lacks ${count(relevant.length, 'right')}`, [
        {
          severity: 'error',
          what: `the user ${user} lacks ${relevant.map(({ grant }) => grant).join('; ')}`,
          mend: relevant.map(({ grant }) => `grant ${grant} to ${user};`).join(' '),
        },
      ]),
      blocks: relevant.some(({ forMigration }) => !forMigration),
    };
  },
};

/** Whether a start has something to apply; not, when that cannot be read: then a right is missing that is told of anyway. */
async function isBehind(database: Database, signal: AbortSignal): Promise<boolean> {
  const { state } = await readSchemaState(database, signal).catch(() => ({ state: 'current' }));
  return state === 'none' || state === 'older';
}

const schema: Check = {
  name: 'database.schema',
  asks: 'the schema is the one that this program was made for',
  why: 'Triggers, functions and program belong together. A program brings an older schema up to date when it starts, and starts on a newer one only if that says that it may.',
  mends: 'start a process of this version (it migrates), or run a version that is as new as the schema',
  needs: ['database.reach', 'database.rights'],
  async run(world, signal) {
    const state = await readSchemaState(databaseOf(world), signal);
    const start = 'forebay serve (each start applies what is missing)';
    switch (state.state) {
      case 'current':
        return done(`the schema is at migration ${state.number}, as this program`);
      case 'none':
        return {
          ...done('the schema is not installed', [
            { severity: 'warning', what: 'the schema forebay is not installed: the first start does it', mend: start },
          ]),
          blocks: true,
        };
      case 'older':
        return {
          ...done(`the schema is at migration ${state.number}`, [
            { severity: 'warning', what: `the schema is at migration ${state.number}, this program at ${state.ours}`, mend: start },
          ]),
          blocks: true,
        };
      case 'newer':
        if (state.message === null)
          return done(
            `the schema is at migration ${state.number}, this program at ${state.ours}; a newer version made it, and says that this one can work with it`,
          );
        return done(`the schema is at migration ${state.number}`, [
          { severity: 'error', what: state.message, mend: 'run the version that migrated it, or a later one (docs/upgrades.md)' },
        ]);
      case 'other':
        return done('the schema is of another program', [
          {
            severity: 'error',
            what: `migration ${state.number} is "${state.theirs}" in the database and "${state.ours}" in this program`,
            mend: 'run the version that made this schema, or name another database in FOREBAY_DATABASE_URL',
          },
        ]);
      default:
        return state satisfies never;
    }
  },
};

const triggers: Check = {
  name: 'database.triggers',
  asks: 'every trigger on the tables of files is there and fires, also for this user',
  why: 'Triggers write down what changed. What changes without them is known to no cache: the old record is served until its TTL.',
  mends: 'enable or make the trigger as the finding says, and then make every cache forget',
  needs: ['database.schema'],
  async run(world, signal) {
    const database = databaseOf(world);
    const { state } = await readSchemaState(database, signal);
    if (state === 'newer') return skipped('a newer version made the schema, and knows its triggers');
    const all = await readTriggers(database, signal);
    const bad = all.filter(({ state }) => state !== 'on');
    const replicas = await database.query<{ name: string }>(
      `select quote_ident(current_user) as name where current_setting('session_replication_role') = 'replica'
       union select quote_ident(r.rolname) from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
        where exists (select from unnest(s.setconfig) c where c = 'session_replication_role=replica')`,
      [],
      { signal },
    );
    return done(`${all.length - bad.length} of ${count(all.length, 'trigger')} fire`, [
      ...bad.map(brokenTrigger),
      ...replicas.map(({ name }) => ({
        severity: 'error' as const,
        what: `session_replication_role is replica for ${name}: no trigger fires for what that user changes`,
        mend: `alter role ${name} reset session_replication_role; then: ${FORGET_ALL}`,
      })),
    ]);
  },
};

function brokenTrigger({ table, name, state, sql }: TriggerState) {
  return {
    severity: 'error' as const,
    what: `the trigger ${name} on ${table} is ${state === 'missing' ? 'not there' : 'disabled'}`,
    mend: `${state === 'missing' ? sql : `alter table ${table} enable trigger ${name};`} ${FORGET_ALL}`,
  };
}

const attached: Check = {
  name: 'database.attached',
  asks: 'every attached table tells of its changes',
  why: 'As with the tables of files: what changes without its trigger is known to no cache.',
  mends: 'forebay attach the table again; forebay detach one that is gone',
  needs: ['database.schema'],
  async run(world) {
    const tables = await listAttached(databaseOf(world));
    return done(
      tables.length === 0 ? 'no table is attached' : `${count(tables.length, 'table')} attached`,
      tables.flatMap(({ table, id, cache, tags, state }): Findings => {
        if (state === 'on') return [];
        if (state === 'gone')
          return [
            {
              severity: 'warning',
              what: `the attached table ${table} is gone, or has none of its triggers`,
              mend: `forebay detach --table '${table}', or attach it again`,
            },
          ];
        return [
          {
            severity: 'error',
            what: `a trigger on the attached table ${table} is missing or disabled, or its column ${id} is gone`,
            mend: `forebay attach --table '${table}' --id ${id} --cache ${cache}${tags === null ? '' : ` --tags "${tags}"`}`,
          },
        ];
      }),
    );
  },
};

/** Whether the database is there, and is what the program needs. */
export const DATABASE_CHECKS: readonly Check[] = [reach, writable, rights, schema, triggers, attached];
