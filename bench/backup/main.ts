/**
 * Backs up and restores many entries through the built program, and writes down time, size and peak memory of the service and of the command, and what a concurrent reader notices: of Redis itself, and of the service.
 *
 *     node bench/backup/main.ts [entries] [calm seconds]
 */
import { spawn } from 'node:child_process';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { createForebay } from '../../src/forebay.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { freePort, startRedis } from '../../test/support/redis.ts';
import { id, makeFiles } from '../files.ts';
import { memoryOf } from '../memory.ts';

const [entries = 1_000_000, calmS = 20] = process.argv.slice(2).map(Number);
const READ_EVERY_MS = 5;
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const file = path.join(tmpdir(), `forebay-bench-${process.pid}.backup`);

const postgres = await startPostgres();
const redis = await startRedis();
const admin = new Redis(redis.url);
const database = await openDatabase(postgres.url);
await migrate(database);
await makeFiles(database, entries);
const filler = await createForebay({
  database,
  redis: redis.url,
  warm: 'off',
  cache: { maxEntries: 0, budgetMs: 5000, ttl: () => 6 * 3_600_000 },
});
while ((await filler.files.lookupMany([id(1), id(2)])).some(({ outcome }) => outcome !== 'hit')) await pause(100);
for (let at = 1; at <= entries; at += 1000)
  await filler.files.lookupMany(Array.from({ length: Math.min(1000, entries - at + 1) }, (_, i) => id(at + i)));
await pause(2000);
await filler.close();
console.log(
  `${await admin.dbsize()} keys, ${Math.round(Number(/used_memory:(\d+)/.exec(await admin.info('memory'))?.[1]) / 1024 ** 2)} MiB in Redis; load ${loadavg()[0]?.toFixed(1)}`,
);

const port = await freePort();
const env = { ...process.env, FOREBAY_LOG_LEVEL: 'error' };
const flags = ['--database-url', postgres.url, '--redis-url', redis.url, '--port', String(port), '--warm', 'off'];
const service = spawn(process.execPath, [main, 'serve', ...flags], { env, stdio: 'inherit' });
const url = `http://127.0.0.1:${port}`;
while (
  !(await fetch(`${url}/readyz`).then(
    ({ ok }) => ok,
    () => false,
  ))
)
  await pause(100);

const resetPeak = (pid: number): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

interface Times {
  readonly redis: number[];
  readonly http: number[];
}
const quantile = (times: readonly number[], q: number): string =>
  (times.toSorted((a, b) => a - b)[Math.floor((times.length - 1) * q)] ?? Number.NaN).toFixed(2);
const say = (what: string, { redis: ofRedis, http }: Times): void =>
  console.log(
    `  ${what}: Redis p50 ${quantile(ofRedis, 0.5)} p99 ${quantile(ofRedis, 0.99)} ms (${ofRedis.length} reads); service p50 ${quantile(http, 0.5)} p99 ${quantile(http, 0.99)} ms (${http.length} reads); load ${loadavg()[0]?.toFixed(1)}`,
  );

/** Reads one record at a time, of Redis and through the service, until told to stop. */
async function readUntil(done: Promise<unknown>): Promise<Times> {
  const times: Times = { redis: [], http: [] };
  const state = { stopped: false };
  void done.finally(() => {
    state.stopped = true;
  });
  const loop = async (into: number[], read: (n: number) => Promise<unknown>): Promise<void> => {
    while (!state.stopped) {
      const n = 1 + Math.floor(Math.random() * entries);
      const at = performance.now();
      await read(n);
      into.push(performance.now() - at);
      await pause(READ_EVERY_MS);
    }
  };
  await Promise.all([
    loop(times.redis, (n) => admin.get(`file:info:{${id(n)}}`)),
    loop(times.http, async (n) => (await fetch(`${url}/v1/files/${id(n)}`)).arrayBuffer()),
  ]);
  return times;
}

async function command(name: string, args: readonly string[]): Promise<void> {
  const pid = service.pid as number;
  resetPeak(pid);
  const before = memoryOf(pid, 'VmRSS');
  const startedAt = performance.now();
  const child = spawn(process.execPath, [main, ...args, '--url', url], { env, stdio: ['ignore', 'inherit', 'inherit'] });
  let peak = 0;
  const samples: number[] = [];
  const sampling = setInterval(() => {
    peak = Math.max(peak, memoryOf(child.pid as number, 'VmHWM'));
    samples.push(memoryOf(pid, 'VmRSS'));
  }, 100);
  const ended = new Promise((resolve) => child.once('close', resolve));
  const times = await readUntil(ended);
  clearInterval(sampling);
  const at = (share: number): string => (samples[Math.floor((samples.length - 1) * share)] ?? Number.NaN).toFixed(0);
  console.log(
    `${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s; service ${before.toFixed(0)} MiB before, peak ${memoryOf(pid, 'VmHWM').toFixed(0)} (at a tenth ${at(0.1)}, a quarter ${at(0.25)}, half ${at(0.5)}, three quarters ${at(0.75)}, the end ${at(1)}); command peak ${peak.toFixed(0)} MiB`,
  );
  const metrics = await (await fetch(`${url}/metrics`)).text();
  const mib = (name: string): string => (Number(new RegExp(`^${name} (\\S+)`, 'm').exec(metrics)?.[1]) / 1024 ** 2).toFixed(0);
  console.log(
    `  of it in use: ${mib('nodejs_heap_size_used_bytes')} MiB of a heap of ${mib('nodejs_heap_size_total_bytes')}, ${mib('nodejs_external_memory_bytes')} outside of it`,
  );
  say('meanwhile', times);
}

await readUntil(pause(5000));
say('calm before', await readUntil(pause(calmS * 1000)));
await command('backup', ['backup', '--out', file]);
console.log(`  file: ${(statSync(file).size / 1024 ** 2).toFixed(1)} MiB`);
say('calm after', await readUntil(pause(calmS * 1000)));
await admin.flushall();
await command('restore', ['restore', file, '--fast']);
console.log(`  ${await admin.dbsize()} keys in Redis`);
await command('restore again', ['restore', file, '--fast']);

service.kill();
rmSync(file, { force: true });
admin.disconnect();
await database.close();
await Promise.all([redis.stop(), postgres.stop()]);
process.exit(0);
