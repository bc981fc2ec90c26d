import path from 'node:path';
import { FaultProxy } from '../support/fault-proxy.ts';
import type { Logged } from './check.ts';
import { pause } from './outsider.ts';
import type { Load, WorkerSetup } from './protocol.ts';
import type { SeededChance } from './random.ts';
import type { RedisControl } from './redis/control.ts';
import type { RedisFront } from './redis/front.ts';
import type { EngineVersion, ProcessControl } from './scenario.ts';
import { WorkerProcess } from './worker-process.ts';

export interface FleetOptions {
  readonly contestant: string;
  readonly source: string;
  /** Folder of the source of a newer version. */
  readonly newerSource: string;
  readonly newerIn: (process: number) => boolean;
  /** Past all proxies. */
  readonly databaseUrl: string;
  readonly boundMs: number;
  readonly keys: number;
  readonly processes: number;
  readonly seed: number;
  /** For the logs. */
  readonly dir: string;
  readonly slowLoadMs: number;
  readonly relayIn: (process: number) => boolean;
  readonly load: Load;
}

const DIE_MS = 2000;
/** Answers of the database take a little while. */
const JITTER_MS = 3;

/** The processes of a run, each behind two proxies of its own, and all that ever lived in them. */
export class Fleet implements AsyncDisposable {
  readonly places: Place[] = [];
  readonly logs: (Logged & { readonly writeLog: string })[] = [];
  readonly #options: FleetOptions;
  readonly #redis: RedisControl;
  readonly #chance: SeededChance;
  #writers = 0;
  #working = false;

  private constructor(options: FleetOptions, redis: RedisControl, chance: SeededChance) {
    this.#options = options;
    this.#redis = redis;
    this.#chance = chance;
  }

  static async start(options: FleetOptions, redis: RedisControl, chance: SeededChance): Promise<Fleet> {
    const fleet = new Fleet(options, redis, chance);
    try {
      for (let index = 0; index < options.processes; index += 1) fleet.places.push(await fleet.#place(index));
      await Promise.all(fleet.places.map((place) => place.open()));
      return fleet;
    } catch (error) {
      await fleet[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A slot for a writer that is none of the processes. */
  nextWriter(): number {
    this.#writers += 1;
    return this.#writers;
  }

  /** Where a writer that is none of the processes keeps its notes. */
  logFor(writer: number, kind: 'reads' | 'writes'): string {
    return path.join(this.#options.dir, `${writer}.${kind}`);
  }

  async work(): Promise<void> {
    this.#working = true;
    await Promise.all(this.places.map((place) => place.work()));
  }

  /** Lets all that was begun end. */
  async rest(): Promise<void> {
    this.#working = false;
    await Promise.all(this.places.map((place) => place.worker.ask({ do: 'rest' })));
  }

  /** What every process, and one that has only just begun, has of every key: by process, by key. */
  async readAll(): Promise<(readonly number[])[]> {
    const known = await Promise.all(this.places.map(({ worker }) => worker.ask({ do: 'readAll' })));
    const fresh = await this.#place(this.places.length);
    this.places.push(fresh);
    await fresh.open();
    const { versions = [] } = await fresh.worker.ask({ do: 'readAll' });
    return [...known.map((answer) => answer.versions ?? []), versions];
  }

  /** Records asked of the database, and what readers were told when nobody could say, with how often. */
  async tally(): Promise<{ loaded: number; errors: Readonly<Record<string, number>> }> {
    const answers = await Promise.all(this.places.map(({ worker }) => worker.ask({ do: 'loaded' })));
    const errors: Record<string, number> = {};
    for (const answer of answers)
      for (const [words, count] of Object.entries(answer.errors ?? {})) errors[words] = (errors[words] ?? 0) + count;
    return { loaded: answers.reduce((sum, { loaded = 0 }) => sum + loaded, 0), errors };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.places.map((place) => place.close()));
  }

  async #place(index: number): Promise<Place> {
    const { databaseUrl } = this.#options;
    const direct = new URL(databaseUrl);
    const redis = await this.#redis.front(this.#chance.next);
    const database = await FaultProxy.start({ target: Number(direct.port), random: this.#chance.next });
    database.impose({ toClient: { jitterMs: JITTER_MS } });
    const proxied = new URL(databaseUrl);
    proxied.port = String(database.port);
    return new Place({
      index,
      redis,
      database,
      start: (version) => this.#start(index, version, proxied.href, redis.url),
      version: this.#options.newerIn(index) ? 'newer' : 'today',
      load: this.#options.load,
      working: () => this.#working,
    });
  }

  #start(index: number, version: EngineVersion, databaseUrl: string, redisUrl: string): Promise<WorkerProcess> {
    const { contestant, source, newerSource, boundMs, keys, processes, seed, slowLoadMs, relayIn } = this.#options;
    const writer = this.nextWriter();
    const log = { process: index, writer, readLog: this.logFor(writer, 'reads'), writeLog: this.logFor(writer, 'writes') };
    const setup: WorkerSetup = {
      contestant,
      source: version === 'newer' ? newerSource : source,
      databaseUrl,
      redisUrl,
      boundMs,
      keys,
      processes,
      seed,
      slowLoadMs,
      ...log,
      directDatabaseUrl: this.#options.databaseUrl,
      relay: relayIn(index) ? 'always' : 'never',
    };
    this.logs.push(log);
    return WorkerProcess.start(setup);
  }
}

interface PlaceParts {
  readonly index: number;
  readonly redis: RedisFront;
  readonly database: FaultProxy;
  readonly start: (version: EngineVersion) => Promise<WorkerProcess>;
  readonly version: EngineVersion;
  readonly load: Load;
  readonly working: () => boolean;
}

class Place implements ProcessControl {
  readonly index: number;
  readonly redis: RedisFront;
  readonly database: FaultProxy;
  readonly #parts: PlaceParts;
  #worker: WorkerProcess | null = null;
  #version: EngineVersion;

  constructor(parts: PlaceParts) {
    this.#parts = parts;
    this.#version = parts.version;
    this.index = parts.index;
    this.redis = parts.redis;
    this.database = parts.database;
  }

  get worker(): WorkerProcess {
    if (this.#worker === null) throw new Error(`process ${this.index} was not started`);
    return this.#worker;
  }

  async open(): Promise<void> {
    this.#worker = await this.#parts.start(this.#version);
  }

  async work(): Promise<void> {
    await this.worker.ask({ do: 'work', load: this.#parts.load });
  }

  freeze(): void {
    this.worker.freeze();
  }

  thaw(): void {
    this.worker.thaw();
  }

  async dieAtCommit(): Promise<void> {
    await this.worker.ask({ do: 'dieAtCommit' }).catch(() => {});
    await this.worker.ended;
  }

  async dieAtRelayStep(step: string, timeoutMs: number): Promise<boolean> {
    await this.worker.ask({ do: 'dieAtRelayStep', step }).catch(() => {});
    await Promise.race([this.worker.ended, pause(timeoutMs)]);
    if (this.worker.alive) await this.worker.ask({ do: 'dieAtRelayStep', step: 'never' }).catch(() => {});
    return !this.worker.alive;
  }

  async respawn(): Promise<void> {
    await this.open();
    if (this.#parts.working()) await this.work();
  }

  get version(): EngineVersion {
    return this.#version;
  }

  async restartAs(version: EngineVersion, { orderly }: { readonly orderly: boolean }): Promise<void> {
    if (orderly) await this.worker.ask({ do: 'rest' });
    // At a step of its relay, which comes with each look at the log, a process writes down what it has read before it dies.
    if (orderly || !(await this.dieAtRelayStep('asked', DIE_MS))) await this.worker.kill();
    this.#version = version;
    await this.respawn();
  }

  async close(): Promise<void> {
    this.#worker?.thaw();
    await this.#worker?.kill();
    await Promise.all([this.redis.close(), this.database.close()]);
  }
}
