/** Whether the outbox grows under steady writes, and whether asking it stays cheap: see docs/outbox.md. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { createChangeLog } from '../../src/postgres/change-log.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { median, numberOption, quantile, table } from './numbers.ts';
import { startRelay } from './relay.ts';
import type { BenchServer } from './server.ts';
import { startServer } from './server.ts';
import { startWriting } from './writers.ts';

const OPTIONS = {
  seconds: { type: 'string', default: '600' },
  rate: { type: 'string', default: '1000' },
  every: { type: 'string', default: '10' },
  rows: { type: 'string', default: '100000' },
  only: { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false },
} as const;

const HELP = `node bench/outbox/bloat.ts [options]

Steady single-row updates, a relay that numbers them every 50 ms, and a sweep of the log every 5 s that keeps 60 s; autovacuum is on. Once plain, and once with a transaction that is opened
at the start, writes a row of another table, and stays open for 85 % of the time, so that nothing that was deleted since can be removed. Writers are stopped while the calls are timed.

  --seconds 600   of each of the two
  --rate 1000     writes a second
  --every 10      seconds between two samples
  --rows 100000   of forebay.file_info
  --only plain    or: long
  --json          one JSON object per run on the standard output
`;

const RETENTION_MS = 60_000;
const WRITING_CLIENTS = 8;
const CALLS = 100;
/** Of the run, with the transaction open. */
const OPEN_PART = 0.85;

interface Sample {
  readonly second: number;
  readonly open: boolean;
  readonly writesPerSecond: number;
  readonly outboxKb: number;
  readonly logKb: number;
  readonly sequencerKb: number;
  readonly advanceMs: Times;
  readonly lookMs: Times;
  /** The relay's own calls since the last sample, which had something to number. */
  readonly relayMs: Times;
}

interface Times {
  readonly median: number;
  readonly p99: number;
}

function timesOf(values: readonly number[]): Times {
  return { median: median(values), p99: quantile(values, 0.99) };
}

async function timed(call: () => Promise<unknown>): Promise<Times> {
  const times: number[] = [];
  for (let n = 0; n < CALLS; n++) {
    const startedAt = performance.now();
    await call();
    times.push(performance.now() - startedAt);
  }
  return timesOf(times);
}

/** Holds the horizon of what vacuum may remove; with a number of its own, as of something that writes. */
async function openTransaction(database: Database, url: string): Promise<Client> {
  await database.exec('create table bench_other (id integer)');
  const client = new Client({ connectionString: url });
  await client.connect();
  await client.query('begin isolation level repeatable read');
  await client.query('insert into bench_other values (1)');
  return client;
}

const SIZES = `
  select last_value as writes, pg_total_relation_size('forebay.outbox') / 1024 as outbox, pg_total_relation_size('forebay.log') / 1024 as log,
         pg_total_relation_size('forebay.sequencer') / 1024 as sequencer
    from forebay.version`;

async function sizes(database: Database): Promise<{ writes: number; outbox: number; log: number; sequencer: number }> {
  const [row] = await database.query<{ writes: number; outbox: number; log: number; sequencer: number }>(SIZES);
  if (row === undefined) throw new Error('forebay.version has no row');
  return row;
}

interface Run {
  readonly kind: 'plain' | 'long';
  readonly seconds: number;
  readonly rate: number;
  readonly everyMs: number;
  readonly rows: number;
}

async function play(
  { database, url }: BenchServer,
  { kind, seconds, rate, everyMs, rows }: Run,
  tell: (sample: Sample) => void,
): Promise<Sample[]> {
  let open = kind === 'long' ? await openTransaction(database, url) : undefined;
  // One connection: the calls are timed one after the other, as an instance makes them.
  await using asking = await openDatabase(url, { maxConnections: 1 });
  const log = createChangeLog(asking);
  await using relay = await startRelay(url, { retentionMs: RETENTION_MS });
  await using writing = startWriting({ url, clients: WRITING_CLIENTS, rows, rate });
  const samples: Sample[] = [];
  const startedAt = performance.now();
  let last = { at: startedAt, writes: (await sizes(database)).writes };
  for (let n = 1; n * everyMs <= seconds * 1_000; n++) {
    await sleep(Math.max(0, startedAt + n * everyMs - performance.now()));
    if (open !== undefined && n * everyMs > seconds * 1_000 * OPEN_PART) {
      await open.query('commit');
      await open.end();
      open = undefined;
    }
    const { writes, outbox, log: logKb, sequencer } = await sizes(database);
    const at = performance.now();
    const relayMs = timesOf(relay.takeTimes());
    writing.pause();
    while ((await log.advance()).entry !== null);
    const advanceMs = await timed(() => log.advance());
    const lookMs = await timed(() => log.look(null));
    writing.resume();
    const sample: Sample = {
      second: (n * everyMs) / 1_000,
      open: open !== undefined,
      writesPerSecond: ((writes - last.writes) / (at - last.at)) * 1_000,
      outboxKb: outbox,
      logKb,
      sequencerKb: sequencer,
      advanceMs,
      lookMs,
      relayMs,
    };
    last = { at, writes };
    samples.push(sample);
    tell(sample);
  }
  await open?.end();
  return samples;
}

const HEAD = ['second', 'writes/s', 'outbox kB', 'log kB', 'sequencer kB', 'advance() idle ms', 'look() ms', 'relay ms'];

function line(sample: Sample): string[] {
  const times = ({ median: middle, p99 }: Times): string => `${middle.toFixed(2)} / ${p99.toFixed(2)}`;
  return [
    `${sample.second}${sample.open ? ' open' : ''}`,
    sample.writesPerSecond.toFixed(0),
    ...[sample.outboxKb, sample.logKb, sample.sequencerKb].map(String),
    ...[sample.advanceMs, sample.lookMs, sample.relayMs].map(times),
  ];
}

/** A long run in some lines. */
function thinned<T>(list: readonly T[], most: number): T[] {
  const step = Math.ceil(list.length / most);
  return list.filter((_, index) => index === 0 || (index + 1) % step === 0);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: OPTIONS, allowPositionals: false });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const seconds = numberOption('seconds', values.seconds, 10, 86_400);
  const rate = numberOption('rate', values.rate, 1, 100_000);
  const everyMs = numberOption('every', values.every, 1, 3_600) * 1_000;
  const rows = numberOption('rows', values.rows, 1_000, 10_000_000);
  const kinds = (['plain', 'long'] as const).filter((kind) => values.only === undefined || values.only === kind);
  if (kinds.length === 0) throw new Error(`--only is "${values.only}"; give plain or long`);
  for (const kind of kinds) {
    await using server = await startServer(rows);
    const samples = await play(server, { kind, seconds, rate, everyMs, rows }, (sample) =>
      console.error(`${kind}: ${line(sample).join('  ')}`),
    );
    if (values.json) console.log(JSON.stringify({ kind, seconds, rate, samples }));
    else console.log(`${kind}, times as median / p99\n${table([HEAD, ...thinned(samples, 20).map(line)])}\n`);
  }
}

await main();
