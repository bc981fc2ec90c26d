import { AsyncLocalStorage } from 'node:async_hooks';
import type { Context, ContextManager } from '@opentelemetry/api';
import { context, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { createCache } from '../../src/cache/cache.ts';
import { createForebay } from '../../src/forebay.ts';
import { openTelemetryTracer } from '../../src/opentelemetry/index.ts';
import { openDatabase } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { startRedis } from '../support/redis.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });

/** What an SDK for Node sets up: the span that is active where something is called from. */
const storage = new AsyncLocalStorage<Context>();
const manager: ContextManager = {
  active: () => storage.getStore() ?? ROOT_CONTEXT,
  with: (active, run, self, ...args) => storage.run(active, () => run.call(self, ...args)),
  bind: (_context, target) => target,
  enable: () => manager,
  disable: () => manager,
};

beforeAll(() => {
  trace.setGlobalTracerProvider(provider);
  context.setGlobalContextManager(manager);
});
beforeEach(() => exporter.reset());
afterAll(() => {
  trace.disable();
  context.disable();
});

const named = (name: string): ReadableSpan[] => exporter.getFinishedSpans().filter((span) => span.name === name);
const only = (name: string): ReadableSpan => {
  const [span, ...more] = named(name);
  if (span === undefined || more.length > 0) throw new Error(`${more.length + (span === undefined ? 0 : 1)} spans ${name}`);
  return span;
};

test('a read that Redis does not have is a span with its look into Redis and its load in it, within the span of whoever reads', async () => {
  await using redis = await startRedis();
  await using database = await openDatabase('pglite:memory');
  await migrate(database);
  const options = { database, redis: redis.url, warm: 'off', tracer: openTelemetryTracer() } as const;
  await using one = await createForebay(options);
  await using other = await createForebay(options);
  await vi.waitFor(() => expect([one.tier.state(), other.tier.state()]).toEqual(['up', 'up']));
  const { record } = await one.files.create({ path: '/secret.txt', size: 1, mimeType: 'text/plain', ownerId: 'ann' });
  await vi.waitFor(async () => {
    await one.files.update(record.id, { size: 2 });
    expect(
      named('forebay.relay').some(({ attributes }) => attributes['forebay.outcome'] === 'level' && attributes['forebay.applied'] === 1),
    ).toBe(true);
  });
  exporter.reset();

  const request = provider.getTracer('test').startSpan('request');
  await context.with(trace.setSpan(context.active(), request), () => one.files.get(record.id));
  request.end();
  const [read, remote, load] = [only('forebay.read'), only('forebay.remote'), only('forebay.load')];
  expect(read.parentSpanContext?.spanId).toBe(request.spanContext().spanId);
  expect([remote, load].map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([
    read.spanContext().spanId,
    read.spanContext().spanId,
  ]);
  expect([read, remote, load].map(({ attributes }) => attributes)).toEqual([
    { 'forebay.cache': 'file:info', 'forebay.outcome': 'loaded', 'forebay.tier': 'source', 'forebay.joined': false },
    { 'forebay.cache': 'file:info', 'forebay.outcome': 'miss' },
    { 'forebay.cache': 'file:info', 'forebay.outcome': 'loaded' },
  ]);

  exporter.reset();
  await vi.waitFor(async () => expect((await other.files.lookup(record.id, { maxStalenessMs: 1000 })).outcome).toBe('hit'));
  const found = named('forebay.read').at(-1);
  expect(found?.attributes).toEqual({ 'forebay.cache': 'file:info', 'forebay.outcome': 'hit', 'forebay.tier': 'remote' });

  // What process memory answers takes less time than a span.
  await other.files.get(record.id);
  exporter.reset();
  await other.files.get(record.id);
  expect(named('forebay.read')).toEqual([]);
  expect(JSON.stringify(exporter.getFinishedSpans().map(({ attributes }) => attributes))).not.toMatch(/secret|[0-9a-f]{8}-/);
});

test('a load that fails is an error of its span and of the read, by code and without the key', async () => {
  await using cache = createCache<string, string>({
    name: 'test',
    source: () => Promise.reject(new Error('no row of top-secret')),
    tracer: openTelemetryTracer({ tracer: provider.getTracer('own') }),
  });
  await cache.lookup('top-secret');
  for (const name of ['forebay.read', 'forebay.load']) expect(only(name).status).toEqual({ code: 2, message: 'LOAD_FAILED' });
  expect(JSON.stringify(named('forebay.load').map(({ attributes, status, events }) => ({ attributes, status, events })))).not.toContain(
    'secret',
  );
});

test('callers that share a load have a span each, and the load is in that of the first', async () => {
  await using cache = createCache<string, string>({ name: 'test', source: () => 'value', tracer: openTelemetryTracer() });
  await Promise.all([cache.get('a'), cache.get('a')]);
  const reads = named('forebay.read');
  expect(reads.map(({ attributes }) => attributes['forebay.joined'])).toEqual([false, true]);
  expect(only('forebay.load').parentSpanContext?.spanId).toBe(reads[0]?.spanContext().spanId);
});

test('a read that its caller gives up ends its span', async () => {
  await using cache = createCache<string, string>({ name: 'test', source: () => new Promise(() => {}), tracer: openTelemetryTracer() });
  await expect(cache.get('a', { signal: AbortSignal.timeout(20) })).rejects.toThrow();
  expect(only('forebay.read').attributes).toEqual({ 'forebay.cache': 'test', 'forebay.outcome': 'aborted' });
});

test('without a tracer nothing is told, whatever SDK runs', async () => {
  await using cache = createCache<string, string>({ name: 'test', source: () => 'value' });
  await cache.get('a');
  expect(exporter.getFinishedSpans()).toEqual([]);
});
