import { Command } from 'commander';
import type { z } from 'zod';
import type { Inspection, TierInspection } from '../../cache/inspect.ts';
import { fileId } from '../../files/records.ts';
import { inspections } from '../../service/routes/schemas.ts';
import { addServiceOrAloneFlags, withService } from '../service-command.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';

const EXAMPLES = `
Nothing is loaded or changed by it. It shows one instance's memory, and the Redis that all share.

Examples:
  forebay inspect 018f4e9a-1b2c-7d3e-8f40-123456789abc
  FOREBAY_TOKEN_FILE=token forebay inspect 018f4e9a-1b2c-7d3e-8f40-123456789abc --url http://10.0.0.5:7070 --json`;

/** `forebay inspect`: what each tier of a running service holds of a file. */
export function inspectCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('inspect')
    .description('Show what process memory and Redis hold of a file, and say what the next read will do.')
    .argument('<ID>', 'id of the file')
    .option('--json', 'print JSON');
  addServiceOrAloneFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async (id: string) => {
    const checked = fileId(id);
    const found = await withService(command, shell, (service) => service.ask(`/v1/cache/files/${checked}`, inspections));
    if (command.opts<{ json?: boolean }>().json === true) shell.out(JSON.stringify(found, null, 2));
    else shell.out(describeInspections(found));
    done(EXIT.ok);
  });
}

/** Both caches’ inspections in lines for people. */
function describeInspections({ info, meta }: z.infer<typeof inspections>): string {
  return [describe('record', info), describe('attributes', meta)].join('\n\n');
}

function describe(what: string, { key, local, remote, flight, lease }: Inspection): string {
  const lines = [`${what} (${key})`, `  memory  ${tierWords(local)}`, `  Redis   ${tierWords(remote)}`];
  if (flight !== null)
    lines.push(
      `  loading since ${ms(flight.ageMs)}, ${flight.waiters} waiting${flight.tainted ? '; it was invalidated meanwhile, so what is loaded will not be stored' : ''}`,
    );
  if (lease !== null) lines.push(`  ${lease.holder} may fill Redis for another ${ms(lease.leftMs)}`);
  return [...lines, `  next    ${next(local, remote, flight !== null)}`].join('\n');
}

function tierWords(tier: TierInspection): string {
  switch (tier.state) {
    case 'none':
      return 'nothing';
    case 'unavailable':
      return `cannot be asked (${tier.reason})`;
    default: {
      const { state, absent, version, ageMs, ttlLeftMs, bytes, tags } = tier;
      const what = absent ? 'knows that there is no such file' : `version ${version}`;
      const life = ttlLeftMs > 0 ? `${ms(ttlLeftMs)} to live` : `expired ${ms(-ttlLeftMs)} ago`;
      return `${state}: ${what}, ${ms(ageMs)} old, ${life}, ${bytes} bytes${tags.length === 0 ? '' : `, tags ${tags.join(' ')}`}`;
    }
  }
}

/** What answers the next read of this process. */
function next(local: TierInspection, remote: TierInspection, isLoading: boolean): string {
  if (local.state === 'fresh') return 'a read is answered from memory';
  if (isLoading) return 'a read joins the load that is under way, if that began recently enough';
  if (remote.state === 'fresh') return 'a read is answered from Redis';
  if (remote.state === 'unavailable') return 'a read goes to the database, since Redis cannot be asked';
  const isInvalidated = local.state === 'invalidated' || remote.state === 'invalidated';
  return isInvalidated ? 'a read goes to the database, since what is cached was invalidated' : 'a read goes to the database';
}

function ms(value: number): string {
  if (value < 1000) return `${Math.round(value)} ms`;
  if (value < 120_000) return `${(value / 1000).toFixed(1)} s`;
  return value < 7_200_000 ? `${Math.round(value / 60_000)} min` : `${(value / 3_600_000).toFixed(1)} h`;
}
