import path from 'node:path';
import { Command } from 'commander';
import { ForebayError } from '../../core/errors.ts';
import { BENCH } from '../../files/bench-records.ts';
import { createLogger } from '../../service/logger.ts';
import { seededChance } from '../bench/chance.ts';
import { httpSubject } from '../bench/http-subject.ts';
import { librarySubject } from '../bench/library-subject.ts';
import { measure } from '../bench/measure.ts';
import type { BenchFlags, Plan } from '../bench/plan.ts';
import { planOf } from '../bench/plan.ts';
import { showProgress } from '../progress.ts';
import type { BenchResult } from '../bench/result.ts';
import { existingIds, RunRecords, sweepAll, sweepDead } from '../bench/run-records.ts';
import type { Subject } from '../bench/subject.ts';
import { planText, resultText } from '../bench/text.ts';
import type { Trace } from '../bench/trace-file.ts';
import { readTrace } from '../bench/trace-file.ts';
import { count } from '../../metrics/report/format.ts';
import { Closing } from '../../core/closing.ts';
import { openRuntime } from '../runtime.ts';
import { quieter, serviceOf } from '../service-command.ts';
import { addSettingFlags, configOf } from '../setting-flags.ts';
import { EXIT, type ExitCode, type Shell } from '../shell.ts';

const EXAMPLES = `
Without --url it opens the database and Redis of the settings in this process, as an application does that has Forebay as a library. With --url it asks a running service over HTTP (which is the way on the
embedded database while a service has it open).

It reads and writes records of its own (owner ${BENCH.owner}, below ${BENCH.recordsBelow}), makes them before and removes them after, on Ctrl-C too. What a run left behind that was killed is removed by the next one, or by --clean.

Examples:
  forebay bench                                                    30 s, 10,000 records, Zipf 0.9, 1 % writes, 32 at once
  forebay bench --url http://127.0.0.1:7070 --duration 10s
  forebay bench --rate 5000 --concurrency 256 --warmup 5s          an open loop: what users would wait for at 5,000 calls a second
  forebay bench --keys 200000 --skew 1.1 --writes 0.05 --batch 20
  forebay bench --trace reads.txt.gz --writes 0                    a key in each line, in the order of the reads
  forebay bench --existing --duration 1m                           reads records that are there, and writes none
  forebay bench --json >with-128mb.json; forebay bench --json --local-max-bytes 512mb >with-512mb.json

Exit codes: 0 done; 1 it failed, no read was answered, or a read was staler than the bound; 2 wrong command line or trace; 130 interrupted (what was measured by then is printed). docs/bench.md says how to read it.`;

/** `forebay bench`: what this deployment does under a load. */
export function benchCommand(shell: Shell, done: (code: ExitCode) => void): Command {
  const command = new Command('bench')
    .description(
      'Put a load on this deployment and measure throughput, latency, hit ratio and database load, checking that no read is staler than the bound.',
    )
    .option(
      '--url <URL>',
      'a running service to ask over HTTP (default: the library in this process, on the database and Redis of the settings)',
    )
    .option('--duration <TIME>', 'how long, 1s to 24h (default: 30s; with --trace all of it, 1h at most)')
    .option('--warmup <TIME>', 'the same load before that, not counted (default: 0s)')
    .option('--keys <N>', `records, up to ${BENCH.maxRecords} (default: 10000)`)
    .option('--skew <S>', 'of the Zipf mix, 0 (all alike) to 3 (default: 0.9)')
    .option('--trace <FILE>', 'replay these reads instead: a key in each line, or 32-bit integers; plain or gzip')
    .option('--writes <SHARE>', 'share of the calls that write, 0 to 1 (default: 0.01; with --existing 0)')
    .option('--concurrency <N>', 'calls under way at most, up to 4096 (default: 32)')
    .option('--rate <N>', 'calls a second of an open loop, up to 1000000; each waits from when it was due (default: a closed loop)')
    .option('--batch <N>', 'records of one read, up to 1000 (default: 1)')
    .option('--seed <N>', 'the same seed draws the same keys (default: 1)')
    .option('--existing', 'read up to --keys records that are there, instead of own ones')
    .option('--yes', 'with --existing: --writes is meant')
    .option('--keep', 'leave the records, to look at them; --clean removes them')
    .option('--clean', 'only remove what other runs left')
    .option('--dry-run', 'say what would be done, and open nothing')
    .option('--json', 'print the result as JSON');
  addSettingFlags(command);
  return command.addHelpText('after', EXAMPLES).action(async () => {
    done(await bench(command, shell));
  });
}

async function bench(command: Command, shell: Shell): Promise<ExitCode> {
  const flags = command.opts<BenchFlags>();
  const plan = planOf(flags);
  try {
    const trace = flags.trace === undefined ? null : await readTrace(path.resolve(shell.cwd, flags.trace), shell.stop);
    const sized = trace === null ? plan : { ...plan, keys: trace.keys };
    if (trace?.isCut === true) shell.note(`Of the trace, the first ${count(trace.reads.length)} reads are replayed.`);
    if (flags.dryRun === true) {
      shell.out(flags.json === true ? JSON.stringify({ dryRun: true, plan: sized }) : dryRunText(flags, sized));
      return EXIT.ok;
    }
    return await withSubject(command, shell, sized, (subject) =>
      flags.clean === true ? clean(subject, shell, flags) : run(subject, sized, trace, shell, flags),
    );
  } catch (error) {
    if (shell.stop.aborted && (!(error instanceof ForebayError) || error.code === 'CLOSED')) return EXIT.interrupted;
    throw error;
  }
}

function dryRunText({ clean = false }: BenchFlags, plan: Plan): string {
  if (clean) return `It would remove the records of ${BENCH.owner} whose runs are not at work any more.`;
  const made = plan.existing
    ? `read up to ${count(plan.keys)} records that are there`
    : `make ${count(plan.keys)} records and remove them after`;
  return `It would ${made}: ${planText(plan)}.`;
}

/** Opens what is to be measured for `work`, and closes it. */
async function withSubject<T>(command: Command, shell: Shell, plan: Plan, work: (subject: Subject) => Promise<T>): Promise<T> {
  const config = configOf(command, shell);
  if (command.opts<{ url?: string }>().url !== undefined) {
    const subject = await httpSubject(serviceOf(command, shell), { token: config.token, concurrency: plan.concurrency });
    try {
      return await work(subject);
    } finally {
      subject.close();
    }
  }
  const logger = createLogger({ level: quieter(config.logLevel), format: config.logFormat });
  const closing = new Closing();
  try {
    // It measures reads and nothing besides: it warms nothing, tells nobody what is popular, and alerts nobody.
    const quiet = { ...config, warm: 'off', popularRows: 0, auditPerSecond: 0, alertWebhookUrl: null } as const;
    const { forebay } = await openRuntime(quiet, shell, logger, closing).catch((error: unknown) => {
      throw withAdvice(error);
    });
    const { database, redis } = forebay.vitals();
    return await work(librarySubject(forebay, `${database.kind} and ${redis.state === 'off' ? 'no Redis' : `Redis (${redis.state})`}`));
  } finally {
    for (const { name, error } of await closing.close()) logger.error({ error }, `closing the ${name} failed`);
  }
}

function withAdvice(error: unknown): unknown {
  if (!(error instanceof ForebayError && error.code === 'DATA_DIR_IN_USE')) return error;
  return new ForebayError(error.code, `${error.message}; or measure the service that has it, by --url`, { cause: error });
}

async function clean(subject: Subject, shell: Shell, flags: BenchFlags): Promise<ExitCode> {
  const stage = showProgress(shell, 'Removing records', { quiet: flags.json === true });
  const swept = await sweepAll(subject.records, shell.stop, (removed) => stage.update(null, `${count(removed)} removed`)).finally(() =>
    stage.end(),
  );
  if (flags.json === true) shell.out(JSON.stringify(swept));
  else {
    const left = swept.left === 0 ? '' : `; ${count(swept.left)} at work, and left alone`;
    shell.out(`Removed what ${count(swept.runs)} ${swept.runs === 1 ? 'run' : 'runs'} left: ${count(swept.records)} records${left}.`);
  }
  return shell.stop.aborted ? EXIT.interrupted : EXIT.ok;
}

async function run(subject: Subject, plan: Plan, trace: Trace | null, shell: Shell, flags: BenchFlags): Promise<ExitCode> {
  const quiet = flags.json === true;
  const work = (ids: readonly string[]): Promise<BenchResult> =>
    measure({ subject, plan: { ...plan, keys: ids.length }, ids, trace, signal: shell.stop }, shell, quiet);
  const { result, failure } = plan.existing
    ? await withExisting(subject, plan, shell, quiet, work)
    : await withOwnRecords(subject, plan, shell, quiet, work);
  if (result !== null) shell.out(quiet ? JSON.stringify(result) : resultText(result));
  if (failure !== null) throw failure.error;
  if (result === null || !result.complete) return EXIT.interrupted;
  return result.staleness.stalerThanBound > 0 || result.hitRatio === null ? EXIT.failed : EXIT.ok;
}

const shareOf = (done: number, total: number | null): number | null => (total === null || total === 0 ? null : done / total);

/** What came of it: no result when told to stop before it began, a failure when records could not be removed after. */
interface Outcome {
  readonly result: BenchResult | null;
  readonly failure: { readonly error: unknown } | null;
}

type Work = (ids: readonly string[]) => Promise<BenchResult>;

/** Does `work` on records that are there. @throws {ForebayError} `NOT_FOUND`, `INPUT_INVALID` when there are too few */
async function withExisting({ records }: Subject, plan: Plan, shell: Shell, quiet: boolean, work: Work): Promise<Outcome> {
  const stage = showProgress(shell, 'Looking for records', { quiet });
  const ids = await existingIds(records, plan.keys, seededChance(plan.seed), shell.stop, (done, total) =>
    stage.update(shareOf(done, total), `${count(done)} found`),
  ).finally(() => stage.end());
  if (shell.stop.aborted) return { result: null, failure: null };
  if (plan.trace !== null && ids.length < plan.keys)
    throw new ForebayError(
      'INPUT_INVALID',
      `the trace has ${plan.keys} keys, and there are only ${ids.length} records: leave out --existing`,
      {
        field: 'existing',
      },
    );
  return { result: await work(ids), failure: null };
}

/** Does `work` on new records, which are removed whatever comes of it. */
async function withOwnRecords({ records }: Subject, plan: Plan, shell: Shell, quiet: boolean, work: Work): Promise<Outcome> {
  const { runs, records: removed } = await sweepDead(records, shell.stop, () => {});
  if (runs > 0)
    shell.note(
      `Removed ${count(removed)} records that ${runs === 1 ? 'a run that was' : `${count(runs)} runs that were`} cut off had left.`,
    );
  if (shell.stop.aborted) return { result: null, failure: null };
  const own = await RunRecords.begin(records);
  let result: BenchResult | null = null;
  let failure: Outcome['failure'] = null;
  try {
    const stage = showProgress(shell, 'Making records', { quiet });
    await own
      .make(plan.keys, shell.stop, (done, total) => stage.update(shareOf(done, total), `${count(done)} of ${count(total)}`))
      .finally(() => stage.end());
    if (!shell.stop.aborted) result = await work(own.ids);
    if (own.lost)
      shell.note(
        'Another run took this one for dead and removed its records: the numbers are of no use. Was this process stopped for a while?',
      );
  } catch (error) {
    failure = { error };
  }
  try {
    await end(own, plan.keep && !shell.stop.aborted, shell, quiet);
  } catch (error) {
    failure ??= { error };
  }
  return { result, failure };
}

async function end(own: RunRecords, keep: boolean, shell: Shell, quiet: boolean): Promise<void> {
  if (keep) {
    await own.keep();
    shell.note(`Kept ${count(own.ids.length)} records below ${BENCH.recordsBelow}${own.run}/; forebay bench --clean removes them.`);
    return;
  }
  const stage = showProgress(shell, 'Removing records', { quiet });
  try {
    await own.remove((done, total) => stage.update(shareOf(done, total), `${count(done)} of ${count(total)}`));
  } catch (error) {
    shell.note(`The records below ${BENCH.recordsBelow}${own.run}/ could not be removed; the next run does so, or forebay bench --clean.`);
    throw error;
  } finally {
    stage.end();
  }
}
