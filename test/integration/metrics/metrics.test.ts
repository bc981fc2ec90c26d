import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Forebay } from '../../../src/forebay.ts';
import { createForebay } from '../../../src/forebay.ts';
import type { Service } from '../../../src/service/server.ts';
import { startService } from '../../../src/service/server.ts';
import type { TestPostgres } from '../../support/postgres.ts';
import { startPostgres } from '../../support/postgres.ts';
import { promtool } from '../../support/promtool.ts';
import type { TestRedis } from '../../support/redis.ts';
import { SOUND_REDIS, startRedis } from '../../support/redis.ts';

const SOON = { timeout: 20_000, interval: 50 };
/** What a scrape may take while the database does not answer, with room for a busy machine. */
const BOUNDED_MS = 2000;

let postgres: TestPostgres;
let redis: TestRedis;
let forebay: Forebay;
let service: Service;

/** Everything switched on that has metrics of its own. */
beforeAll(async () => {
  [postgres, redis] = await Promise.all([startPostgres(), startRedis({ args: SOUND_REDIS })]);
  const alerts = { webhook: { url: 'http://127.0.0.1:9/', secret: 'a-secret-of-sixteen-bytes' } };
  // What is counted is what this is about, so a busy machine may take its time.
  forebay = await createForebay({ database: postgres.url, redis: redis.url, auditPerSecond: 1, alerts, cache: { budgetMs: 5000 } });
  await vi.waitFor(async () => expect((await forebay.readiness()).reasons).toEqual([]), SOON);
  service = await startService({ forebay, config: { port: 0 } });
  const { record } = await forebay.files.create({ path: '/a', size: 1, mimeType: 'text/plain', ownerId: 'a' });
  for (let i = 0; i < 2; i += 1) await (await fetch(`${service.url}/v1/files/${record.id}`)).text();
  // The first entry of the log is part of how Redis begins; the next is brought to it by the relay.
  await vi.waitFor(async () => {
    await forebay.files.update(record.id, { size: 2 });
    expect(await scrape()).toMatch(/^forebay_relay_entries_total\{outcome="applied"\} [1-9]/m);
  }, SOON);
  // The health of the servers of Redis is asked for a moment after the start.
  await vi.waitFor(async () => expect(await scrape()).toMatch(/^forebay_redis_keys\{/m), SOON);
});

afterAll(async () => {
  postgres.thaw();
  await service.close();
  await forebay.close();
  await Promise.all([postgres.stop(), redis.stop()]);
});

async function scrape(): Promise<string> {
  const response = await fetch(`${service.url}/metrics`);
  expect(response.status).toBe(200);
  return response.text();
}

test('promtool has nothing to say about a scrape', async () => {
  expect(promtool(['check', 'metrics'], await scrape())).toEqual({ code: 0, output: '' });
});

test('promtool would say if a metric were named badly', async () => {
  const bad = (await scrape()).replaceAll('forebay_local_entries', 'forebay_local_entries_total');
  expect(promtool(['check', 'metrics'], bad)).toEqual({
    code: 3,
    output: expect.stringContaining('forebay_local_entries_total non-counter'),
  });
});

/** Name, type, labels and meaning of each metric, in the order of the scrape. */
function describeMetrics(text: string): { name: string; type: string; labels: string[]; help: string }[] {
  return [...text.matchAll(/^# HELP (\S+) (.*)\n# TYPE \S+ (\w+)\n((?:[^#\n].*\n)*)/gm)].map(
    ([, name = '', help = '', type = '', samples = '']) => {
      const labels = [...samples.matchAll(/[{,](\w+)="/g)].map(([, label = '']) => label).filter((label) => label !== 'le');
      return { name, type, labels: [...new Set(labels)], help };
    },
  );
}

test('docs/metrics.md has one row for each metric of a scrape, with what the scrape says of it', async () => {
  const page = new URL('../../../docs/metrics.md', import.meta.url);
  const metrics = describeMetrics(await scrape());
  expect(metrics.length).toBeGreaterThan(90);
  const rows = metrics.map(({ name, type, labels, help }) => {
    const shown = labels.map((label) => `\`${label}\``).join(', ');
    return `| \`${name}\` | ${type} | ${shown} | ${help.replaceAll('|', '\\|')} |`;
  });
  const table = ['| metric | type | labels | meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
  const text = readFileSync(page, 'utf8');
  const expected = text.replace(
    /(<!-- metrics:begin -->\n)[^]*(<!-- metrics:end -->)/,
    (_all, begin: string, end: string) => `${begin}\n${table}\n\n${end}`,
  );
  if (process.env['UPDATE_DOCS'] !== undefined) writeFileSync(page, expected);
  expect(readFileSync(page, 'utf8')).toBe(expected);
});

test('a read shows in look-ups, latencies and TTLs, and its write among the invalidations', async () => {
  const text = await scrape();
  const value = (line: string): number => Number(new RegExp(`^${line.replaceAll(/[{}]/g, '\\$&')} (\\S+)$`, 'm').exec(text)?.[1]);
  expect(value('forebay_lookups_total{cache="file:info",tier="source",outcome="loaded"}')).toBe(1);
  expect(value('forebay_lookups_total{cache="file:info",tier="local",outcome="hit"}')).toBe(1);
  expect(value('forebay_read_duration_seconds_count{cache="file:info",tier="source"}')).toBe(1);
  expect(value('forebay_read_duration_seconds_count{cache="file:info",tier="local"}')).toBe(1);
  expect(value('forebay_read_duration_seconds_bucket{le="10",cache="file:info",tier="source"}')).toBe(1);
  expect(value('forebay_load_duration_seconds_count{cache="file:info"}')).toBe(1);
  expect(value('forebay_remote_read_duration_seconds_count{cache="file:info"}')).toBe(1);
  expect(value('forebay_ttl_seconds_bucket{le="15",cache="file:info"}')).toBe(0);
  expect(value('forebay_ttl_seconds_count{cache="file:info"}')).toBe(1);
  expect(value('forebay_leases_total{cache="file:info",outcome="won"}')).toBe(1);
  expect(value('forebay_fills_total{cache="file:info"}')).toBe(1);
  expect(value('forebay_invalidations_total{cache="file:info",origin="self"}')).toBeGreaterThan(0);
  expect(value('forebay_invalidations_total{cache="file:info",origin="log"}')).toBeGreaterThan(0);
  expect(value('forebay_relay_entries_total{outcome="applied"}')).toBeGreaterThan(0);
  expect(value('forebay_bus_up')).toBe(1);
  expect(value('forebay_database_up')).toBe(1);
  expect(value('forebay_outbox_depth')).toBe(0);
  expect(value('forebay_outbox_lag_seconds')).toBeLessThan(5);
  expect(value('forebay_staleness_limit_seconds')).toBe(1);
});

test('no label has many values, and none is a key', async () => {
  const text = await scrape();
  const values = new Map<string, Set<string>>();
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)\{(.*)\} /gm))
    for (const [, label = '', value = ''] of labels.matchAll(/(\w+)="([^"]*)"/g)) {
      const key = `${name} ${label}`;
      if (label !== 'le') values.set(key, (values.get(key) ?? new Set()).add(value));
    }
  expect(values.size).toBeGreaterThan(30);
  expect([...values].filter(([, seen]) => seen.size > 20).map(([label]) => label)).toEqual([]);
  expect(text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-/);
});

test('while the database is frozen a scrape answers soon, without the depth of the outbox, and says that the database is away', async () => {
  expect(await scrape()).toMatch(/^forebay_outbox_depth 0$/m);
  postgres.freeze();
  try {
    // Several, as of several Prometheus servers, and one after the other: none of them may add to what the next one waits for.
    for (let round = 0; round < 4; round += 1) {
      const startedAt = performance.now();
      const texts = await Promise.all([scrape(), scrape(), scrape()]);
      expect(performance.now() - startedAt).toBeLessThan(BOUNDED_MS);
      for (const text of texts) expect(text).not.toMatch(/^forebay_outbox_depth /m);
    }
    await vi.waitFor(async () => {
      const text = await scrape();
      expect(text).toMatch(/^forebay_database_up 0$/m);
      expect(Number(/^forebay_staleness_seconds (\S+)$/m.exec(text)?.[1])).toBeGreaterThan(1);
    }, SOON);
  } finally {
    postgres.thaw();
  }
  await vi.waitFor(async () => expect(await scrape()).toMatch(/^forebay_outbox_depth 0$/m), SOON);
  await vi.waitFor(async () => expect(await scrape()).toMatch(/^forebay_database_up 1$/m), SOON);
});
