/**
 * Warms many files whose ids come on standard input, through the built program and a running service, twice: with none of them in Redis, and with all. Writes down times, and the memory of the service and of the command.
 *
 *     node bench/warm/main.ts [files]
 */
import { spawn } from 'node:child_process';
import { loadavg } from 'node:os';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { startPostgres } from '../../test/support/postgres.ts';
import { freePort, startRedis } from '../../test/support/redis.ts';
import { id, makeFiles } from '../files.ts';
import { memoryOf } from '../memory.ts';

const [files = 1_000_000] = process.argv.slice(2).map(Number);
const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

const postgres = await startPostgres();
const redis = await startRedis({ args: ['--maxmemory', '4gb', '--maxmemory-policy', 'allkeys-lru'] });
const admin = new Redis(redis.url);
const database = await openDatabase(postgres.url);
await migrate(database);
await makeFiles(database, files);

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const env = { ...process.env, FOREBAY_LOG_LEVEL: 'error' };
const flags = ['--database-url', postgres.url, '--redis-url', redis.url, '--port', String(port), '--warm', 'off'];
const service = spawn(process.execPath, [main, 'serve', ...flags], { env, stdio: 'inherit' });
// That many changes take a while to be numbered, and before that no cache is used.
const isReady = async (): Promise<boolean> => {
  try {
    const { reasons } = (await (await fetch(`${url}/readyz`)).json()) as { reasons: readonly string[] };
    return reasons.length === 0;
  } catch {
    return false;
  }
};
while (!(await isReady())) await pause(500);

function* lines(): Generator<string> {
  for (let n = 1; n <= files; n += 1) yield `${id(n)}\n`;
}

async function warm(name: string): Promise<void> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [main, 'warm', '-', '--url', url], { env, stdio: ['pipe', 'inherit', 'inherit'] });
  const samples: { readonly service: number; readonly command: number }[] = [];
  const sampling = setInterval(() => {
    samples.push({ service: memoryOf(service.pid as number, 'VmRSS'), command: memoryOf(child.pid as number, 'VmRSS') });
  }, 200);
  const ended = new Promise((resolve) => child.once('close', resolve));
  await pipeline(Readable.from(lines()), child.stdin);
  await ended;
  clearInterval(sampling);
  const most = (of: 'service' | 'command', from: number, to: number): string =>
    Math.max(...samples.slice(Math.floor(samples.length * from), Math.ceil(samples.length * to)).map((sample) => sample[of])).toFixed(0);
  const flat = (of: 'service' | 'command'): string =>
    `${most(of, 0, 0.1)}, ${most(of, 0.25, 0.5)}, ${most(of, 0.5, 0.75)}, ${most(of, 0.75, 1)} MiB`;
  console.log(
    `${name}: ${((performance.now() - startedAt) / 1000).toFixed(1)} s, ${await admin.dbsize()} keys in Redis; most memory in the first tenth, the second quarter, the third and the last: service ${flat('service')}; command ${flat('command')}; load ${loadavg()[0]?.toFixed(1)}`,
  );
}

await warm('none of them in Redis');
await warm('all of them in Redis');

service.kill();
admin.disconnect();
await database.close();
await Promise.all([redis.stop(), postgres.stop()]);
process.exit(0);
