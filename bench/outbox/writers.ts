import type { ChildProcess } from 'node:child_process';
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findBinaries } from '../../test/support/postgres-binaries.ts';

export interface WriterOptions {
  readonly url: string;
  readonly clients: number;
  /** Files to choose from, see `startServer`. */
  readonly rows: number;
  /** Writes a second of all clients together; without it, as many as they can. */
  readonly rate?: number;
}

/** Updates of one row by its id, again and again, each in a transaction of its own, until it is disposed. */
export interface Writing extends AsyncDisposable {
  readonly name: string;
  pause(): void;
  resume(): void;
}

/** Longer than any run; they are ended when their time has come. */
const LIMIT_SECONDS = 100_000;

/** By pgbench where there is one: it takes less of the machine than Node. */
export function startWriting(options: WriterOptions): Writing {
  const pgbench = findPgbench();
  return pgbench === undefined ? startNode(options) : startPgbench(pgbench, options);
}

let found: { readonly file: string | undefined } | undefined;

function findPgbench(): string | undefined {
  found ??= { file: look() };
  return found.file;
}

function look(): string | undefined {
  const binaries = findBinaries();
  binaries.remove();
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).map((version) => path.join(debian, version, 'bin', 'pgbench')) : [];
  return [path.join(binaries.bin, 'pgbench'), 'pgbench', ...versions].find(
    (file) => spawnSync(file, ['--version'], { stdio: 'ignore' }).status === 0,
  );
}

function startPgbench(pgbench: string, { url, clients, rows, rate }: WriterOptions): Writing {
  const folder = mkdtempSync(path.join(tmpdir(), 'forebay-bench-'));
  const script = path.join(folder, 'update.sql');
  const update = 'update forebay.file_info set size = size % 1000000 + 1 where id = md5(:n::text)::uuid;';
  writeFileSync(script, `\\set n random(1, ${rows})\n${update}\n`);
  const limit = rate === undefined ? [] : ['-R', String(rate)];
  const threads = String(Math.min(2, clients));
  const args = ['-n', '-M', 'prepared', '-c', String(clients), '-j', threads, '-T', String(LIMIT_SECONDS), ...limit, '-f', script, url];
  return asWriting('pgbench', [spawn(pgbench, args, { stdio: ['ignore', 'ignore', 'inherit'] })], () =>
    rmSync(folder, { recursive: true, force: true }),
  );
}

/** Two processes, since one of Node would be the bottleneck of 32 clients. */
function startNode(options: WriterOptions): Writing {
  const processes = Math.min(2, options.clients);
  const children = Array.from({ length: processes }, (_, index) => {
    const clients = Math.floor((options.clients + index) / processes);
    const share = { ...options, clients, ...(options.rate === undefined ? {} : { rate: options.rate / processes }) };
    return fork(new URL('./writer-process.ts', import.meta.url), [JSON.stringify(share)]);
  });
  return asWriting('Node processes', children, () => {});
}

/** Its end rejects when one of the processes had ended by itself. */
function asWriting(name: string, children: readonly ChildProcess[], tidy: () => void): Writing {
  const exits = children.map((child) => once(child, 'exit'));
  for (const exit of exits) exit.catch(() => {});
  const signal = (which: NodeJS.Signals) => (): void => children.forEach((child) => child.kill(which));
  const killAll = signal('SIGKILL');
  process.once('exit', killAll);
  const dispose = async (): Promise<void> => {
    const early = children.find((child) => child.exitCode !== null || child.signalCode !== null);
    killAll();
    await Promise.allSettled(exits);
    process.off('exit', killAll);
    tidy();
    if (early !== undefined) throw new Error(`a writer ended by itself, with ${early.exitCode ?? early.signalCode}`);
  };
  return { name, pause: signal('SIGSTOP'), resume: signal('SIGCONT'), [Symbol.asyncDispose]: dispose };
}
