import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { ForebayError } from '../../core/errors.ts';
import { fileId } from '../../files/records.ts';
import { invalidated, MAX_BATCH } from '../../service/routes/schemas.ts';
import type { ServiceCaller } from '../service-command.ts';
import { addServiceOrAloneFlags, withService } from '../service-command.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';

interface Flags {
  readonly tag?: readonly string[];
  readonly all?: boolean;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

/** What is to be forgotten; files and tags, or everything. */
interface Targets {
  readonly ids: readonly string[];
  readonly tags: readonly string[];
  readonly all: boolean;
}

const EXAMPLES = `
Only caches forget; the files and their records stay, and the next read of each is loaded from the database. It reaches every instance. Rows that change in the database are
invalidated by themselves: this is for what Forebay cannot know of, and for peace of mind.

Examples:
  forebay invalidate 018f4e9a-1b2c-7d3e-8f40-123456789abc
  psql -Atc "select id from documents where …" | forebay invalidate -      ids from standard input, one in a line
  forebay invalidate --tag folder:/srv/a --tag owner:ann
  forebay invalidate --all                          everything; asks first, and takes --yes in scripts
  forebay invalidate --tag owner:ann --alone        without a running service, on the database and Redis of the settings

Exit codes: 0 every cache has heard of it, or it is queued until Redis is back ("invalidation": "queued"); 1 it failed: run it again; 2 wrong command line.`;

/** `forebay invalidate`: every cache forgets files, tags or everything. */
export function invalidateCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('invalidate')
    .description('Make every cache forget files, all files with a tag, or everything.')
    .argument('[ID...]', 'ids of files; - reads them from standard input')
    .option('--tag <TAG...>', 'tags: all files that carry one of them')
    .option('--all', 'everything')
    .option('--yes', 'do not ask before --all')
    .option('--dry-run', 'say what would be forgotten, and change nothing')
    .option('--json', 'print the outcome as JSON');
  addServiceOrAloneFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async (given: string[]) => {
    done(await invalidate(command, shell, given));
  });
}

async function invalidate(command: Command, shell: Shell, given: readonly string[]): Promise<ExitCode> {
  const flags = command.opts<Flags>();
  const targets = await targetsOf(given, flags, shell);
  if (flags.dryRun === true) {
    tell(shell, flags, targets, null);
    return EXIT.ok;
  }
  try {
    return await withService(command, shell, async (service) => {
      if (targets.all && !(await isMeant(shell, flags, service))) return EXIT.interrupted;
      tell(shell, flags, targets, await send(service, targets));
      return EXIT.ok;
    });
  } catch (error) {
    if (shell.stop.aborted) return EXIT.interrupted;
    throw error;
  }
}

async function targetsOf(given: readonly string[], { tag: tags = [], all = false }: Flags, shell: Shell): Promise<Targets> {
  const fromInput = given.includes('-') ? await shell.input() : '';
  const texts = [...given.filter((id) => id !== '-'), ...fromInput.split('\n').map((line) => line.trim())].filter((id) => id !== '');
  const ids = [...new Set(texts.map(fileId))];
  if (all && ids.length + tags.length > 0)
    throw new ForebayError('INPUT_INVALID', '--all forgets everything: leave out ids and tags, or --all', { field: 'all' });
  if (!all && ids.length + tags.length === 0 && !given.includes('-'))
    throw new ForebayError('INPUT_INVALID', 'nothing is named: give ids, --tag TAG or --all', { field: 'ids' });
  return { ids, tags, all };
}

/** Asks the person at the terminal; where there is none, only `--yes` will do. */
async function isMeant(shell: Shell, { yes = false }: Flags, { url }: ServiceCaller): Promise<boolean> {
  if (yes) return true;
  if (!shell.isTerminal)
    throw new ForebayError('INPUT_INVALID', '--all asks before it acts, and nobody can answer here: add --yes', { field: 'yes' });
  const readline = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const question = `Every instance on the database of ${url.origin} will load everything anew from the database. Type "yes" to go on: `;
    return (await readline.question(question, { signal: shell.stop })).trim().toLowerCase() === 'yes';
  } catch (error) {
    if (shell.stop.aborted) return false;
    throw error;
  } finally {
    readline.close();
  }
}

async function send(service: ServiceCaller, { ids, tags, all }: Targets): Promise<'applied' | 'queued'> {
  const one = async (body: object): Promise<'applied' | 'queued'> =>
    (await service.ask('/v1/cache/invalidate', invalidated, { body })).invalidation;
  if (all) return one({ all });
  let outcome: 'applied' | 'queued' = 'applied';
  for (let at = 0; at < Math.max(ids.length, tags.length); at += MAX_BATCH) {
    const part = { ids: ids.slice(at, at + MAX_BATCH), tags: tags.slice(at, at + MAX_BATCH) };
    if ((await one(part)) === 'queued') outcome = 'queued';
  }
  return outcome;
}

function tell(shell: Shell, { json = false }: Flags, { ids, tags, all }: Targets, invalidation: 'applied' | 'queued' | null): void {
  if (json) return shell.out(JSON.stringify({ ids: ids.length, tags: tags.length, all, dryRun: invalidation === null, invalidation }));
  const what = all
    ? 'everything'
    : [count(ids.length, 'file'), count(tags.length, 'tag')].filter((text) => text !== '').join(' and ') || 'nothing';
  if (invalidation === null) return shell.out(`Every cache would forget ${what}.`);
  if (invalidation === 'applied') return shell.out(`Every cache has forgotten ${what}.`);
  return shell.out(
    `It is written down that caches have to forget ${what}; Redis will hear of it when it is back, and is not believed before.`,
  );
}

const count = (number: number, of: string): string => (number === 0 ? '' : `${number} ${of}${number === 1 ? '' : 's'}`);
