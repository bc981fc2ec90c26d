/**
 * Empties Redis under traffic and writes down what the database gets to do until the hit ratio is back: once with nothing but the read path, once as by default (popular keys warmed, loads paced).
 *
 *     node bench/recovery/main.ts [reads a second] [calm seconds] [seconds after] [short]
 */
import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import type { Forebay } from '../../src/forebay.ts';
import { createForebay } from '../../src/forebay.ts';
import { noPacer } from '../../src/cache/pacer.ts';
import type { Database } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { startRedis } from '../../test/support/redis.ts';

const FILES = 40_000;
const SKEW = 0.9;
/** About 27,000 records: less than there are, so that there are misses while it is calm. */
const REDIS_MEMORY = '16mb';
/** Half of what Redis holds. */
const POPULAR_ROWS = 13_000;
const LOCAL_ENTRIES = 500;
const SLICE_MS = 1_000;

const [reads = 400, calmS = 150, afterS = 40] = process.argv.slice(2, 5).map(Number);
/** Only the second of the two. */
const isShort = process.argv[5] === 'short';

interface Slice {
  reads: number;
  hits: number;
  calls: number;
  keys: number;
  busyMs: number;
  slowestMs: number;
  /** Time on a processor of all sessions of the database, in ms. */
  serverMs: number;
}

const newSlice = (): Slice => ({ reads: 0, hits: 0, calls: 0, keys: 0, busyMs: 0, slowestMs: 0, serverMs: 0 });
const id = (n: number): string => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Gives what the sessions of the database have run since it was asked last, in ms: measured by the kernel, so nothing that keeps this process waiting counts. */
function sessionsOf(admin: Database): () => Promise<number> {
  const ranMs = new Map<number, number>();
  return async () => {
    const sessions = await admin.query<{ pid: number }>(
      "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()",
    );
    let sum = 0;
    for (const { pid } of sessions) {
      try {
        const now = Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
        sum += now - (ranMs.get(pid) ?? 0);
        ranMs.set(pid, now);
      } catch {
        // It has ended since.
      }
    }
    return sum;
  };
}

const bounds: number[] = [];
for (let n = 1; n <= FILES; n += 1) bounds.push((bounds.at(-1) ?? 0) + n ** -SKEW);

/** A file by its popularity, with the popular ones spread over the ids. */
function draw(): string {
  const at = Math.random() * (bounds.at(-1) ?? 0);
  let [low, high] = [0, FILES - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((bounds[middle] ?? 0) < at) low = middle + 1;
    else high = middle;
  }
  return id(((low * 7919) % FILES) + 1);
}

async function run(name: string, url: string, options: Partial<Parameters<typeof createForebay>[0]>): Promise<void> {
  await using redis = await startRedis({ args: ['--maxmemory', REDIS_MEMORY, '--maxmemory-policy', 'allkeys-lru'] });
  const admin = new Redis(redis.url);
  const database = await openDatabase(url);
  let slice = newSlice();
  const counted: Database = {
    kind: database.kind,
    description: database.description,
    exec: (sql) => database.exec(sql),
    transaction: (work, call) => database.transaction(work, call),
    stats: () => database.stats(),
    lane: () => database.lane(),
    close: () => database.close(),
    [Symbol.asyncDispose]: () => database.close(),
    query: async (sql, params, call) => {
      if (!sql.includes('from forebay.file_info where id = any')) return database.query(sql, params, call);
      const startedAt = performance.now();
      slice.calls += 1;
      slice.keys += ((params ?? [])[0] as unknown[]).length;
      try {
        return await database.query(sql, params, call);
      } finally {
        slice.busyMs += performance.now() - startedAt;
      }
    },
  };
  // What Redis would hold after a day: read in before anything is measured.
  for (let round = 0; round < 4; round += 1) {
    const filler = await createForebay({ database, redis: redis.url, warm: 'off', popularRows: POPULAR_ROWS });
    for (let i = 0; i < 60; i += 1) await filler.files.lookupMany(Array.from({ length: 1000 }, draw));
    // Writes down what was popular.
    await filler.close();
  }
  const forebay = await createForebay({ database: counted, redis: redis.url, popularRows: POPULAR_ROWS, ...options });
  const slices: Slice[] = [];
  const read = async ({ files }: Forebay): Promise<void> => {
    const mine = slice;
    const startedAt = performance.now();
    mine.reads += 1;
    const { outcome } = await files.lookup(draw());
    if (outcome === 'hit') mine.hits += 1;
    mine.slowestMs = Math.max(mine.slowestMs, performance.now() - startedAt);
  };
  const startedAt = performance.now();
  const serverMs = sessionsOf(setUp);
  await serverMs();
  console.log(`Redis holds ${await admin.dbsize()} entries`);
  let begun = 0;
  let emptied = false;
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      const now = performance.now() - startedAt;
      for (; begun < (now * reads) / 1000; begun += 1) void read(forebay);
      if (now >= (slices.length + 1) * SLICE_MS) {
        const ended = slice;
        slices.push(ended);
        slice = newSlice();
        void serverMs().then((ms) => (ended.serverMs = ms));
      }
      if (!emptied && slices.length >= calmS) {
        emptied = true;
        void admin.flushall();
      }
      if (slices.length >= calmS + afterS) {
        clearInterval(timer);
        resolve();
      }
    }, 5);
  });
  report(name, slices);
  const { body } = await forebay.metricsText();
  console.log(
    body
      .split('\n')
      .filter((line) => /^forebay_(pacer|warm|popular)\S* [^0]/.test(line))
      .join('\n'),
    '\n',
  );
  await forebay.close();
  await database.close();
  admin.disconnect();
}

function report(name: string, slices: readonly Slice[]): void {
  const calm = slices.slice(Math.floor(calmS / 2), calmS);
  const mean = (of: keyof Slice): number => calm.reduce((sum, slice) => sum + slice[of], 0) / calm.length;
  console.log(
    `${name}: calm, each second: ${mean('calls').toFixed(1)} calls, ${mean('keys').toFixed(1)} keys, ${mean('busyMs').toFixed(1)} ms busy, ${mean('serverMs').toFixed(1)} ms of the database's processor; hit ratio ${(mean('hits') / mean('reads')).toFixed(3)}`,
  );
  const worst = (of: keyof Slice): string => (Math.max(...calm.map((slice) => slice[of])) / mean(of)).toFixed(1);
  console.log(
    `  largest calm second, in means: ${worst('calls')} calls, ${worst('keys')} keys, ${worst('busyMs')} busy, ${worst('serverMs')} processor`,
  );
  console.log('  second | hit ratio | calls | keys | busy | processor, in calm means | slowest read, ms');
  slices.slice(calmS).forEach((slice, second) => {
    const share = (of: keyof Slice): string => (slice[of] / mean(of)).toFixed(2).padStart(6);
    console.log(
      `  ${String(second).padStart(6)} | ${(slice.hits / slice.reads).toFixed(3)} | ${share('calls')} | ${share('keys')} | ${share('busyMs')} | ${share('serverMs')} | ${slice.slowestMs.toFixed(0)}`,
    );
  });
}

const postgres = await startPostgres();
const setUp = await openDatabase(postgres.url);
await migrate(setUp);
await setUp.exec(`
  insert into forebay.file_info (id, name, path, size, mime_type, owner_id, updated_at)
  select ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'report', '/srv/files/' || n, n, 'application/pdf', 'ann', now() - interval '1 year' from generate_series(1, ${FILES}) n;
  analyze forebay.file_info`);
if (!isShort) await run('the read path alone', postgres.url, { warm: 'off', cache: { maxEntries: LOCAL_ENTRIES, pacer: noPacer } });
await setUp.exec('truncate forebay.popular');
await run('by default', postgres.url, { cache: { maxEntries: LOCAL_ENTRIES } });
await setUp.close();
await postgres.stop();
process.exit(0);
