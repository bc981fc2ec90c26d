import type { ChildProcess } from 'node:child_process';
import { systemClock, type Clock, type Timer } from '../../core/clock.ts';
import { ForebayError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { prepareRedisFiles, type RedisFiles } from './redis-files.ts';
import { hasEnded, spawnServer, untilUp } from './redis-server.ts';
import { ask } from './redis-socket.ts';

export interface PrivateRedisOptions {
  /** Its folder, in a data folder that this process holds the lock of. */
  readonly dir: string;
  /** Bytes that its records may take, `maxmemory`. */
  readonly maxMemoryBytes: number;
  /** Whether a snapshot left in `dir` may be used: only if nothing has changed the database since it was written. */
  readonly useSnapshot: boolean;
  readonly logger: Logger;
  /** @defaultValue the system's clock */
  readonly clock?: Clock;
  /** A number from 0 up to 1, for the spread of the restart delays. @defaultValue `Math.random` */
  readonly random?: () => number;
}

/** A `redis-server` child that only this user can reach. */
export interface PrivateRedis {
  readonly socketPath: string;
  /** The number of the server that runs now; `null` while it is being restarted. */
  readonly pid: number | null;
  /** Ends the server, with a snapshot for the next start. `true` when the snapshot is whole. Idempotent. */
  stop(): Promise<boolean>;
  /** Ends the server at once, without waiting. */
  kill(): void;
}

/** A large snapshot takes seconds to write, about 1 s for each 500 MB. */
const STOP_DEADLINE_MS = 30_000;
const RESTART_BASE_MS = 100;
const RESTART_CAP_MS = 10_000;
/** A server that ran this long has recovered: its next restart is quick again. */
const STEADY_MS = 60_000;

/**
 * Starts a private `redis-server`: on a Unix socket only, bounded in memory, evicting the least recently used.
 *
 * What a restart may keep: after an orderly stop the server's snapshot is read again, so that the next start is warm. After anything else it is
 * not: a process that was killed may have committed a change and not yet told Redis, and nothing durable remembers that it had to. An entry that is
 * perhaps stale is a miss. For the same reason a server that outlived its killed parent is ended, not adopted, and one that died is restarted empty.
 *
 * @throws {ForebayError} `REDIS_NOT_INSTALLED` when there is no `redis-server` in the PATH, `REDIS_UNAVAILABLE` when it does not come up.
 */
export async function startPrivateRedis(options: PrivateRedisOptions): Promise<PrivateRedis> {
  const files = await prepareRedisFiles(options.dir);
  if (!options.useSnapshot) files.dropSnapshot();
  const keeper = new Keeper(files, options);
  try {
    await keeper.start().catch(async (error: unknown) => {
      if (!options.useSnapshot || !(error instanceof ForebayError) || error.code !== 'REDIS_UNAVAILABLE') throw error;
      options.logger.warn({ err: error }, 'the private Redis could not start from its snapshot; starting it empty');
      files.dropSnapshot();
      await keeper.start();
    });
  } catch (error) {
    keeper.kill();
    files.tidy();
    throw error;
  }
  return keeper;
}

type State =
  | { readonly name: 'up'; readonly child: ChildProcess; readonly sinceMs: number }
  | { readonly name: 'restarting'; readonly timer: Timer }
  | { readonly name: 'starting'; readonly child: ChildProcess }
  | { readonly name: 'stopped' };

/** Keeps one server up, until it is told to stop. */
class Keeper implements PrivateRedis {
  readonly socketPath: string;
  readonly #files: RedisFiles;
  readonly #options: PrivateRedisOptions;
  readonly #clock: Clock;
  readonly #killAtExit = (): void => this.kill();
  #state: State = { name: 'stopped' };
  #restarts = 0;
  #stopping: Promise<boolean> | null = null;

  constructor(files: RedisFiles, options: PrivateRedisOptions) {
    this.#files = files;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.socketPath = files.socketPath;
    process.once('exit', this.#killAtExit);
  }

  get pid(): number | null {
    return (this.#state.name === 'up' || this.#state.name === 'starting' ? this.#state.child.pid : null) ?? null;
  }

  async start(): Promise<void> {
    const child = spawnServer(this.#files, this.#options.maxMemoryBytes);
    const starting: State = { name: 'starting', child };
    this.#state = starting;
    try {
      await untilUp(child, this.#files, this.#clock);
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
    if (this.#state !== starting) throw new ForebayError('CLOSED', 'the private Redis was stopped while it started');
    this.#state = { name: 'up', child, sinceMs: this.#clock.now() };
    child.once('exit', (code, signal) => this.#onEnd(signal ?? `code ${code}`));
    // It may have ended between its last answer and the line above.
    if (hasEnded(child)) this.#onEnd('an early exit');
  }

  stop(): Promise<boolean> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  kill(): void {
    const last = this.#state;
    if (last.name === 'restarting') last.timer.cancel();
    this.#state = { name: 'stopped' };
    if (last.name === 'up' || last.name === 'starting') last.child.kill('SIGKILL');
    process.removeListener('exit', this.#killAtExit);
  }

  async #stop(): Promise<boolean> {
    const last = this.#state;
    if (last.name === 'restarting') last.timer.cancel();
    this.#state = { name: 'stopped' };
    let saved = false;
    if (last.name === 'up' || last.name === 'starting') {
      await this.#shutDown(last.child);
      saved = last.name === 'up' && last.child.exitCode === 0;
    }
    process.removeListener('exit', this.#killAtExit);
    this.#files.tidy();
    return saved;
  }

  async #shutDown(child: ChildProcess): Promise<void> {
    if (hasEnded(child)) return;
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
    });
    const overdue = this.#clock.schedule(STOP_DEADLINE_MS, () => child.kill('SIGKILL'));
    const refusal = await ask(this.socketPath, 'SHUTDOWN SAVE');
    if (refusal !== null) child.kill('SIGKILL');
    await ended;
    overdue.cancel();
  }

  #onEnd(how: string): void {
    if (this.#state.name !== 'up') return;
    if (this.#clock.now() - this.#state.sinceMs > STEADY_MS) this.#restarts = 0;
    this.#options.logger.warn({ ended: how }, 'the private Redis ended; reads go to the database while it is restarted');
    this.#scheduleRestart();
  }

  #scheduleRestart(): void {
    const { random = Math.random } = this.#options;
    const delayMs = random() * Math.min(RESTART_CAP_MS, RESTART_BASE_MS * 2 ** Math.min(this.#restarts, 16));
    this.#restarts += 1;
    this.#state = { name: 'restarting', timer: this.#clock.schedule(delayMs, () => void this.#restart()) };
  }

  async #restart(): Promise<void> {
    try {
      this.#files.dropSnapshot();
      await this.start();
      this.#options.logger.info({ pid: this.pid }, 'the private Redis is back, empty');
    } catch (error) {
      if (this.#stopping !== null) return;
      this.#options.logger.debug({ err: error }, 'the private Redis could not be restarted; trying again');
      this.#scheduleRestart();
    }
  }
}
