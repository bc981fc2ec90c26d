import { randomUUID } from 'node:crypto';
import { FaultProxy } from '../support/fault-proxy.ts';
import type { TestPostgres } from '../support/postgres.ts';
import { startPostgres } from '../support/postgres.ts';
import type { Program } from '../support/program.ts';
import { runProgram } from '../support/program.ts';
import type { TestRedis } from '../support/redis.ts';
import { freePort, SOUND_REDIS, startRedis } from '../support/redis.ts';
import type { AlertReceiver } from '../support/alert-receiver.ts';
import { startAlertReceiver } from '../support/alert-receiver.ts';

const FILES = 200;
const READERS = 6;
/** Each reader's pause between two reads: some hundreds of reads a second in all, which leaves the machine room. */
const READ_EVERY_MS = 15;
const WRITE_EVERY_MS = 100;

export interface Instance {
  readonly url: string;
  /** `HOST:PORT` */
  readonly target: string;
  /** The one that runs now. */
  program(): Program;
  /** Kills it, and starts it again at the same address. */
  restart(): Promise<void>;
}

/** Three instances of the built program on one Postgres and one Redis, read and written to without a pause. */
export interface Fleet extends AsyncDisposable {
  readonly postgres: TestPostgres;
  redis(): TestRedis;
  /** Starts Redis again where it was, empty. */
  restartRedis(): Promise<void>;
  /** The first one alone relays. */
  readonly instances: readonly [relay: Instance, second: Instance, third: Instance];
  /** Between the third instance and Redis. */
  readonly proxy: FaultProxy;
  /** Where the second instance posts its alerts. */
  readonly receiver: AlertReceiver;
  /** How long there has been load, and how many requests were answered. */
  load(): { readonly seconds: number; readonly reads: number; readonly writes: number };
}

export async function startFleet(): Promise<Fleet> {
  const postgres = await startPostgres();
  let redis = await startRedis({ args: SOUND_REDIS });
  const { port } = redis;
  const proxy = await FaultProxy.start({ target: port });
  const receiver = await startAlertReceiver();
  const started: Instance[] = [];
  const start = async (redisPort: number, more: Readonly<Record<string, string>>): Promise<Instance> => {
    const ownPort = await freePort();
    const env = {
      FOREBAY_DATABASE_URL: postgres.url,
      FOREBAY_REDIS_URL: `redis://127.0.0.1:${redisPort}`,
      FOREBAY_PORT: `${ownPort}`,
      FOREBAY_RELAY: 'never',
      // Less than there are files, so that Redis is read too; and one call of the database at a time, so that callers soon wait while it stands still.
      FOREBAY_LOCAL_MAX_ENTRIES: '100',
      FOREBAY_MAX_CONCURRENT_LOADS: '1',
      FOREBAY_AUDIT_PER_SECOND: '100',
      FOREBAY_LOG_REQUESTS: 'none',
      FOREBAY_LOG_FORMAT: 'json',
      ...more,
    };
    const open = async (): Promise<{ program: Program; url: string }> => {
      const program = runProgram(['serve'], { env });
      return { program, url: await program.url() };
    };
    let { program, url } = await open();
    const instance = {
      url,
      target: new URL(url).host,
      program: () => program,
      restart: async () => {
        program.kill('SIGKILL');
        await program.exited;
        ({ program } = await open());
      },
    };
    started.push(instance);
    return instance;
  };
  // The first one makes the tables.
  const first = await start(port, { FOREBAY_RELAY: 'always' });
  const webhook = { FOREBAY_ALERT_WEBHOOK_URL: receiver.url, FOREBAY_ALERT_WEBHOOK_SECRET: 'a-secret-of-enough-length' };
  const [second, third] = await Promise.all([start(port, webhook), start(proxy.port, {})]);
  const instances = [first, second, third] as const;
  const ids = await createFiles(first.url);
  const load = startLoad(instances, ids);
  const end = async (): Promise<void> => {
    load.stop();
    postgres.thaw();
    for (const instance of started) {
      const program = instance.program();
      program.kill('SIGCONT');
      await program[Symbol.asyncDispose]();
    }
    await proxy.close();
    await receiver[Symbol.asyncDispose]();
    await Promise.all([redis.kill(), postgres.stop()]);
  };
  return {
    postgres,
    redis: () => redis,
    restartRedis: async () => {
      redis = await startRedis({ args: SOUND_REDIS, port });
    },
    instances,
    proxy,
    receiver,
    load: load.state,
    [Symbol.asyncDispose]: end,
  };
}

async function createFiles(url: string): Promise<string[]> {
  const ids = Array.from({ length: FILES }, () => randomUUID());
  for (const [n, id] of ids.entries()) {
    const body = JSON.stringify({ id, path: `/ops/${n}`, size: n, mimeType: 'text/plain', ownerId: 'ops' });
    const response = await fetch(`${url}/v1/files`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
    await response.arrayBuffer();
  }
  return ids;
}

function startLoad(instances: readonly Instance[], ids: readonly string[]) {
  const startedAt = performance.now();
  const counts = { reads: 0, writes: 0 };
  const stopping = new AbortController();
  let turn = 0;
  const call = async (kind: keyof typeof counts, path: string, init: RequestInit = {}): Promise<void> => {
    turn += 1;
    const url = `${instances[turn % instances.length]?.url}${path}`;
    try {
      const response = await fetch(url, { ...init, signal: AbortSignal.any([stopping.signal, AbortSignal.timeout(15_000)]) });
      await response.arrayBuffer();
      counts[kind] += 1;
    } catch {
      // What is broken at the moment is no concern of the load's.
    }
  };
  const repeat = async (pauseMs: number, run: () => Promise<void>): Promise<void> => {
    while (!stopping.signal.aborted) {
      await run();
      await new Promise((resolve) => {
        setTimeout(resolve, pauseMs);
      });
    }
  };
  const any = (): string => ids[Math.floor(Math.random() ** 2 * ids.length)] ?? '';
  const read = async (): Promise<void> => {
    // One in ten asks for attributes, and one in fifty for a file that does not exist.
    const id = Math.random() < 0.02 ? randomUUID() : any();
    await call('reads', `/v1/files/${id}${Math.random() < 0.1 ? '/meta' : ''}`);
  };
  const write = (): Promise<void> =>
    call('writes', `/v1/files/${any()}`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ size: Math.floor(Math.random() * 1e6) }),
    });
  for (let n = 0; n < READERS; n += 1) void repeat(READ_EVERY_MS, read);
  void repeat(WRITE_EVERY_MS, write);
  return {
    stop: () => stopping.abort(),
    state: () => ({ seconds: (performance.now() - startedAt) / 1000, ...counts }),
  };
}
