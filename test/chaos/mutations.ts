import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** A piece of the source, and what is put in its place. */
export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly put: string;
}

/** One check of the engine, switched off by replacing a piece of its source. */
export interface Mutation {
  readonly name: string;
  /** What the engine then does without. */
  readonly without: string;
  /** Scenarios of which at least one has to break. */
  readonly caughtBy: readonly string[];
  readonly edits: readonly Edit[];
}

export const mutations: readonly Mutation[] = [
  {
    name: 'no-taint',
    without: 'a load that an invalidation met is stored all the same',
    caughtBy: ['calm'],
    edits: [{ file: 'cache/flights.ts', find: '    flight.tainted = true;\n', put: '' }],
  },
  {
    name: 'no-lease-check',
    without: 'a loaded value is stored in Redis though its lease is gone',
    caughtBy: ['bus-half-open', 'bus-closed'],
    edits: [{ file: 'redis/scripts/fill.lua', find: "if redis.call('GET', KEYS[2]) ~= mark .. ARGV[1] then\n  return 0\nend\n", put: '' }],
  },
  {
    name: 'no-as-of',
    without: 'entries are served however old their proof is',
    caughtBy: ['cut-off-from-postgres', 'frozen-process'],
    edits: [{ file: 'cache/read-path.ts', find: "> maxStalenessMs) return 'unproven'", put: "> Number.MAX_VALUE) return 'unproven'" }],
  },
  {
    name: 'no-catch-up',
    without: 'what the bus did not bring is not read from the log',
    caughtBy: ['bus-half-open', 'bus-closed'],
    edits: [{ file: 'cache/follower.ts', find: '    if (this.#number < state.last) await this.#readLog(state.last);\n', put: '' }],
  },
  {
    name: 'no-fence',
    without: 'a Redis that lags behind this process is believed',
    caughtBy: ['failover', 'old-backup'],
    edits: [
      { file: 'redis/log-shard.ts', find: 'at.fence < need.number', put: 'at.fence < 0' },
      { file: 'redis/log-shard.ts', find: '!(opened.fence >= need.number)', put: 'opened.fence < 0' },
    ],
  },
  {
    name: 'no-compare-and-set',
    without: 'an entry is applied to Redis though those before it are missing there',
    caughtBy: ['failover', 'old-backup'],
    edits: [
      {
        file: 'redis/scripts/apply-entry.lua',
        find: "elseif fence < number - 1 then\n  return { 'behind', string.format('%.0f', fence) }\n",
        put: '',
      },
    ],
  },
  {
    name: 'no-base',
    without: 'values of before the table of tag stamps was made anew count',
    caughtBy: ['tag-stamps-lost'],
    edits: [{ file: 'redis/log-shard.ts', find: ' && entry.point.stamp >= Math.max(from, this.#layout.since(key, more))', put: '' }],
  },
  {
    name: 'no-trigger',
    without: 'a change is not noted in the transaction that makes it',
    caughtBy: ['psql', 'calm'],
    edits: [
      {
        file: 'postgres/sql/0002-change-log.sql',
        find: "  new.version := pg_catalog.nextval('forebay.version');\n  insert into forebay.outbox (caches, ids) values (array[tg_argv[0]], array[new.id::pg_catalog.text]);\n",
        put: "  new.version := pg_catalog.nextval('forebay.version');\n",
      },
    ],
  },
  {
    name: 'no-commit-order',
    without: 'the log begins its look where it was, though a transaction that was open then may commit later',
    caughtBy: ['commits-out-of-order'],
    edits: [
      {
        file: 'postgres/sql/0002-change-log.sql',
        find: '      s.floor_xip := array (select pg_snapshot_xip(seen));\n',
        put: "      s.floor_xip := '{}';\n",
      },
    ],
  },
  {
    name: 'no-unknown-changes',
    without: 'what a newer version notes in the log in a form of its own is passed over',
    caughtBy: ['rolling-upgrade'],
    edits: [
      { file: 'postgres/change-log.ts', find: '!Array.isArray(changes) || !changes.every(isChange)', put: '!Array.isArray(changes)' },
    ],
  },
  {
    name: 'no-message-version',
    without: 'messages of another version are read as if they were of this one',
    caughtBy: ['rolling-upgrade-tags'],
    edits: [{ file: 'redis/log-message.ts', find: '    if (v !== VERSION) return null;\n', put: '' }],
  },
  {
    name: 'no-entry-version',
    without: 'entries of another version are read as if they were of this one',
    caughtBy: ['rolling-upgrade-tags'],
    edits: [
      {
        file: 'cache/entry.ts',
        find: "HEADER.exec(bytes.toString('latin1', 0, end))",
        put: "HEADER.exec(bytes.toString('latin1', 0, end).replace('forebay2', 'forebay1'))",
      },
    ],
  },
];

/** @throws with the names there are, for one that is not among them. */
export function mutationNamed(name: string): Mutation {
  const found = mutations.find((mutation) => mutation.name === name);
  if (found === undefined) throw new Error(`there is no mutation "${name}"; there are ${mutations.map((each) => each.name).join(', ')}`);
  return found;
}

/** Spoils a copy of the source. @throws when the piece to replace is not there exactly once: the source has moved on, and the mutation has to follow. */
export function applyMutation({ name, edits }: Mutation, source: string): void {
  applyEdits(`mutation ${name}`, edits, source);
}

/** As `applyMutation`. `what`: for people. */
export function applyEdits(what: string, edits: readonly Edit[], source: string): void {
  for (const { file, find, put } of edits) {
    const where = path.join(source, file);
    const [before, after, ...more] = readFileSync(where, 'utf8').split(find);
    if (before === undefined || after === undefined || more.length > 0)
      throw new Error(`${what}: ${file} does not have this exactly once any more: ${JSON.stringify(find)}`);
    writeFileSync(where, before + put + after);
  }
}
