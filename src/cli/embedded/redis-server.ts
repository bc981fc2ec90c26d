import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync, statSync } from 'node:fs';
import type { Clock } from '../../core/clock.ts';
import { ForebayError } from '../../core/errors.ts';
import type { RedisFiles } from './redis-files.ts';
import { ask } from './redis-socket.ts';

/** A large snapshot takes seconds to read, about 1 s for each 500 MB. */
const START_DEADLINE_MS = 60_000;
const READY_POLL_MS = 10;
/** A log longer than this begins anew with the next server. */
const MAX_LOG_BYTES = 2 ** 20;

export const hasEnded = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

/** Each setting has its reason in `ops/redis.conf`, which says the same for a server of one's own. */
function serverArguments(dir: string, socketPath: string, maxMemoryBytes: number): string[] {
  const settings = {
    port: '0',
    unixsocket: socketPath,
    unixsocketperm: '700',
    dir,
    dbfilename: 'dump.rdb',
    save: '',
    appendonly: 'no',
    maxmemory: String(maxMemoryBytes),
    'maxmemory-policy': 'allkeys-lru',
    'maxmemory-samples': '10',
    databases: '1',
    daemonize: 'no',
    'always-show-logo': 'no',
  };
  return Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
}

/** Runs one server as a child process; its pid is noted at once, so that a later process can end it. */
export function spawnServer(files: RedisFiles, maxMemoryBytes: number): ChildProcess {
  const isLong = (statSync(files.logPath, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES;
  const log = openSync(files.logPath, isLong ? 'w' : 'a', 0o600);
  try {
    // In a process group of its own: a Ctrl-C goes to the whole group of the terminal, and Redis must end last.
    const child = spawn('redis-server', serverArguments(files.dir, files.socketPath, maxMemoryBytes), {
      stdio: ['ignore', log, log],
      detached: true,
      cwd: files.dir,
    });
    if (child.pid !== undefined) files.noteServer(child.pid);
    return child;
  } finally {
    closeSync(log);
  }
}

/**
 * Waits until the server has read its snapshot and answers.
 * @throws {ForebayError} `REDIS_NOT_INSTALLED`, or `REDIS_UNAVAILABLE` with the end of its log.
 */
export async function untilUp(child: ChildProcess, files: RedisFiles, clock: Clock): Promise<void> {
  let failure: Error | null = null;
  child.once('error', (error) => {
    failure = error;
  });
  const deadline = clock.now() + START_DEADLINE_MS;
  while ((await ask(files.socketPath, 'PING')) !== '+PONG') {
    if (failure !== null) throw spawnFailed(failure);
    if (hasEnded(child)) throw notUp(`ended with ${child.signalCode ?? `code ${child.exitCode}`}`, files.logPath);
    if (clock.now() > deadline) throw notUp(`did not answer within ${START_DEADLINE_MS / 1000} s`, files.logPath);
    await new Promise<void>((resolve) => {
      clock.schedule(READY_POLL_MS, resolve);
    });
  }
}

function notUp(what: string, logPath: string): ForebayError {
  const lines = readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-5).join('\n  ');
  return new ForebayError('REDIS_UNAVAILABLE', `the private redis-server ${what}. The end of ${logPath}:\n  ${lines}`);
}

function spawnFailed(error: NodeJS.ErrnoException): ForebayError {
  if (error.code !== 'ENOENT') {
    return new ForebayError('REDIS_UNAVAILABLE', `redis-server could not be run: ${error.message}`, { cause: error });
  }
  return new ForebayError(
    'REDIS_NOT_INSTALLED',
    'redis-server is not in the PATH. Install it (Debian and Ubuntu: apt-get install redis-server; macOS: brew install redis), or give a running Redis with --redis-url',
    { cause: error },
  );
}
