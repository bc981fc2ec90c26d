import { Command } from 'commander';
import type { DetachReport } from '../../postgres/detach.ts';
import { detachTable, planDetach } from '../../postgres/detach.ts';
import { addSettingFlags } from '../setting-flags.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';
import { databaseSettings, withDatabase } from '../with-database.ts';

const EXAMPLES = `
Examples:
  forebay detach --database-url postgres://user:password@host/name --table documents
  forebay detach --table 'app."My Table"' --dry-run`;

/** `forebay detach`: takes away what `forebay attach` put on a table. */
export function detachCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('detach')
    .description(
      'Take the triggers and functions of forebay attach off a table, wholly. Changes past Forebay are then noticed when entries expire.',
    )
    .requiredOption('--table <TABLE>', 'table: NAME or SCHEMA.NAME, as SQL reads it')
    .option('--dry-run', 'print the SQL and change nothing')
    .option('--json', 'print the outcome as JSON');
  addSettingFlags(command, databaseSettings);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    const { table, dryRun, json } = command.opts<{ table: string; dryRun?: boolean; json?: boolean }>();
    const report = await withDatabase(command, shell, (database) =>
      dryRun === true ? planDetach(database, { table }) : detachTable(database, { table }),
    );
    if (json === true) shell.out(JSON.stringify({ ...report, dryRun: dryRun === true, sql: dryRun === true ? report.sql : undefined }));
    else shell.out(dryRun === true ? script(report) : sentence(report));
    done(EXIT.ok);
  });
}

const script = ({ outcome, table, sql }: DetachReport): string =>
  outcome === 'absent' ? `-- ${table} is not attached: there is nothing to do.` : `begin;\n${sql}\ncommit;`;

const sentence = ({ outcome, table }: DetachReport): string =>
  outcome === 'absent' ? `Nothing to do, ${table} is not attached.` : `Detached ${table}. All that was cached is loaded again.`;
