import { Command } from 'commander';
import { ForebayError } from '../../core/errors.ts';
import type { AttachOptions, AttachReport } from '../../postgres/attach.ts';
import { attachTable, planAttach } from '../../postgres/attach.ts';
import { listAttached } from '../../postgres/attached.ts';
import { addSettingFlags } from '../setting-flags.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';
import { databaseSettings, withDatabase } from '../with-database.ts';

interface Flags {
  readonly table?: string;
  readonly id?: string;
  readonly tags?: string;
  readonly cache?: string;
  readonly dryRun?: boolean;
  readonly list?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Names are read as SQL reads them: --table 'app."My Table"'. A second run with the same options changes nothing; with others it replaces.

Examples:
  forebay attach --database-url postgres://user:password@host/name --table documents --id id
  forebay attach --table app.documents --id id --tags "array['owner:' || owner]" --dry-run
  forebay attach --table comments --id document_id --cache documents    # a comment is part of its document's record
  forebay attach --list

docs/attach.md says what is installed, which rights it takes and what it costs.`;

/** `forebay attach`: a table of someone's own tells the caches of its changes. */
export function attachCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('attach')
    .description(
      "Make every change of a table, whoever makes it, invalidate what caches hold of it: triggers write to Forebay's log of changes.",
    )
    .option('--table <TABLE>', 'table: NAME or SCHEMA.NAME')
    .option('--id <COLUMN>', 'column that names the record: uuid, bigint, integer, smallint, text or varchar')
    .option('--tags <SQL>', "expression over a row's columns, text or text[]: tags whose entries are invalidated too")
    .option('--cache <NAME>', "the cache's name in keys, 1 to 64 of a-z 0-9 : _ - (default: the table's name)")
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--list', 'print what is attached')
    .option('--json', 'print the outcome as JSON');
  addSettingFlags(command, databaseSettings);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    const flags = command.opts<Flags>();
    if (flags.list === true) await list(command, shell, flags);
    else await attach(command, shell, flags);
    done(EXIT.ok);
  });
}

async function list(command: Command, shell: Shell, flags: Flags): Promise<void> {
  const extra = (['table', 'id', 'tags', 'cache', 'dryRun'] as const).find((name) => flags[name] !== undefined);
  if (extra !== undefined)
    throw new ForebayError('INPUT_INVALID', `--list prints all tables and goes with nothing but --json`, { field: extra });
  const attached = await withDatabase(command, shell, listAttached);
  if (flags.json === true) return shell.out(JSON.stringify(attached));
  if (attached.length === 0) shell.out('No table is attached.');
  for (const { table, id, cache, tags, state } of attached) {
    shell.out(`${state.padEnd(6)}  ${table}  id ${id}, cache ${cache}${tags === null ? '' : `, tags ${tags}`}`);
  }
}

async function attach(command: Command, shell: Shell, flags: Flags): Promise<void> {
  const options = optionsOf(flags);
  const report = await withDatabase(command, shell, (database) =>
    flags.dryRun === true ? planAttach(database, options) : attachTable(database, options),
  );
  for (const note of report.notes) shell.note(`Note: ${note}.`);
  if (flags.json === true)
    shell.out(JSON.stringify({ ...report, dryRun: flags.dryRun === true, sql: flags.dryRun === true ? report.sql : undefined }));
  else if (flags.dryRun === true) shell.out(script(report));
  else shell.out(sentence(report));
}

function optionsOf({ table, id, tags, cache }: Flags): AttachOptions {
  if (table === undefined || id === undefined) {
    const missing = table === undefined ? '--table TABLE' : '--id COLUMN';
    throw new ForebayError('INPUT_INVALID', `${missing} is missing; give the table and its id column, or --list`, {
      field: table === undefined ? 'table' : 'id',
    });
  }
  return { table, id, ...(tags === undefined ? {} : { tags }), ...(cache === undefined ? {} : { cache }) };
}

function script({ sql, table, outcome, needsMigration }: AttachReport): string {
  if (outcome === 'unchanged') return `-- ${table} is attached just so: there is nothing to do.`;
  const first = needsMigration
    ? "-- Forebay's own schema is missing here, or older: its migrations run first (the files sql/*.sql of this version).\n"
    : '';
  return `${first}begin;\n${sql}\ncommit;`;
}

function sentence({ outcome, table, id, cache, tags }: AttachReport): string {
  const what = `${table} as the cache ${cache}: id ${id}${tags === null ? '' : `, tags ${tags}`}`;
  if (outcome === 'unchanged') return `Nothing to do, it is attached already: ${what}.`;
  return `${outcome === 'attached' ? 'Attached' : 'Attached anew'} ${what}. All that was cached is loaded again.`;
}
