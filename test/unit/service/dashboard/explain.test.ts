import { describe, expect, it } from 'vitest';
import type { Alert } from '../../../../src/alerts/alert.ts';
import type { NodeHealth } from '../../../../src/cache/health-types.ts';
import { explain } from '../../../../src/service/dashboard/explain.ts';
import { Sampler } from '../../../../src/service/dashboard/sampler.ts';
import type { Facts } from '../../../../src/service/dashboard/snapshot.ts';
import { calmVitals } from '../../../support/vitals.ts';

type Changes = { readonly [K in keyof Facts]?: Facts[K] extends object | null ? Partial<NonNullable<Facts[K]>> | null : Facts[K] };

const READS = { all: 400, local: 300, redis: 90, database: 10, stale: 0, failed: 0, refused: 0 };

/** A calm second in which somebody reads, with what is given instead. */
function facts(changes: Changes = {}): Facts {
  const { status: _, ...calm } = new Sampler().see({ now: 0, wallNow: 0, vitals: calmVitals(), http: { requests: 0, failed: 0 } });
  const base: Facts = { ...calm, reads: READS, latency: { p50Ms: 0.01, p99Ms: 3, p999Ms: 9 } };
  const merged = Object.entries(changes).map(([name, change]): [string, unknown] => {
    const before = base[name as keyof Facts];
    const isPart = typeof change === 'object' && change !== null && !Array.isArray(change) && typeof before === 'object' && before !== null;
    return [name, isPart ? Object.assign({}, before, change) : change];
  });
  return Object.assign({}, base, Object.fromEntries(merged));
}

const STALE_FOUND: Alert = {
  version: 1,
  id: '0f1e-firing',
  episode: '0f1e',
  alert: 'stale_found',
  severity: 'critical',
  state: 'firing',
  summary: 'A record was served stale.',
  value: 1,
  threshold: 0,
  unit: 'records',
  startedAt: '2026-01-02T03:04:05.678Z',
  resolvedAt: null,
  returns: 0,
  instance: 'host:1',
};

const [node] = calmVitals().redis.nodes as [NodeHealth];
const nodesOf = (...states: NodeHealth['state'][]): NodeHealth[] =>
  states.map((state, i) => Object.assign({}, node, { node: `10.0.0.${i + 1}:7000`, state, connected: state === 'up' }));

describe('the sentence at the top', () => {
  it('is calm when nothing is broken, and says what is promised', () => {
    expect(explain(facts())).toEqual({
      level: 'ok',
      sentence: 'Nothing is broken: reads are answered within their budget, and nothing that is served is older than 1 s.',
    });
    expect(explain(facts({ redis: { state: 'off', breaker: null, nodes: [], hears: null } })).sentence).toContain(
      'There is no Redis here, by configuration.',
    );
    expect(explain(facts({ reads: { ...READS, all: 0 }, latency: null })).sentence).toContain('nobody reads at the moment');
  });

  const cases: [fault: string, Changes, level: 'warning' | 'critical', says: RegExp][] = [
    [
      'Redis down',
      { redis: { state: 'down' }, database: { load: 155, calmLoad: 50 } },
      'warning',
      /^Redis cannot be reached: what process memory has not is answered by the database, within its budget\. Users do not notice; the database has 3\.1 times its calm load\.$/,
    ],
    ['Redis frozen', { redis: { state: 'down', silent: true } }, 'warning', /^Redis is frozen or too busy.*Users do not notice\.$/],
    [
      'Redis isolated',
      { redis: { state: 'down', silent: true, breaker: { state: 'isolated', reason: 'isolated by hand' } } },
      'warning',
      /^Redis is isolated by an operator, until it is restored: .*Users do not notice\.$/,
    ],
    ['Redis being verified', { redis: { verifying: true } }, 'warning', /^Redis is back and is being verified.*Users do not notice\.$/],
    [
      'a node of the Cluster lost',
      { redis: { nodes: nodesOf('up', 'down', 'up') } },
      'warning',
      /^1 of 3 nodes of Redis is lost \(10\.0\.0\.2:7000\): .*Users do not notice\.$/,
    ],
    ['the bus lost', { redis: { hears: false } }, 'warning', /^The bus is lost: .*within the bound\. Users do not notice\.$/],
    [
      'the database down',
      { database: { state: 'down' }, staleness: { ms: 5000 }, reads: { ...READS, local: 0, failed: 390 } },
      'critical',
      /^The database does not answer: caches serve what is proven to be no older than 1 s, .*Writes fail\. Users notice: 390 a second of 400 fail\.$/,
    ],
    [
      'the database down, older values allowed',
      { database: { state: 'down' }, reads: { ...READS, stale: 380 } },
      'critical',
      /older values, marked stale.*Users notice when they write\.$/,
    ],
    [
      'the database and Redis down',
      { database: { state: 'down' }, redis: { state: 'down' } },
      'critical',
      /^Neither the database nor Redis answers: /,
    ],
    [
      'the database slow',
      { database: { state: 'slow', answerMs: 640 } },
      'warning',
      /^The database is slow \(640 ms for a small question\): .*Users may notice when they ask for what no cache has, or write\.$/,
    ],
    [
      'the database overloaded',
      { reads: { ...READS, failed: 30, refused: 30 }, database: { queued: 1200 } },
      'critical',
      /^The database is overloaded: 1,200 loads wait for it, and 30 a second are refused\. Users notice: 30 a second of 400 fail\.$/,
    ],
    ['the outbox deep', { outbox: { depth: 4321 } }, 'warning', /^The outbox is deep: 4,321 changes wait.*Users do not notice\.$/],
    [
      'the bound exceeded',
      { staleness: { ms: 4200 } },
      'critical',
      /^The staleness is beyond its bound \(4\.2 s, the bound is 1 s\): the caches are not used/,
    ],
    ['nothing proven yet', { staleness: { ms: null } }, 'warning', /^Nothing is proven yet/],
    ['recovering', { recovery: { recovering: true } }, 'warning', /^The caches are recovering: .*paced\. Users do not notice\.$/],
    ['warming', { recovery: { recovering: true, warming: true } }, 'warning', /^The caches are being warmed: .*Users do not notice\.$/],
    [
      'an outsider past the triggers',
      { alerts: [STALE_FOUND] },
      'critical',
      /^The auditor found a record .*somebody from outside changes rows past the triggers.*Users may have been given an old value\. /,
    ],
    ['reads slow, for no known reason', { latency: { p99Ms: 900 } }, 'warning', /^Nothing is known to be broken, and yet .*900 ms or more/],
  ];

  it.each(cases)('%s: what is broken, what answers instead, whether users notice', (_fault, changes, level, says) => {
    const told = explain(facts(changes));
    expect(told.sentence).toMatch(says);
    expect(told.level).toBe(level);
  });

  it('never says that users do not notice while reads fail, whatever else is broken', () => {
    for (const [fault, changes] of cases) {
      const { level, sentence } = explain(facts({ ...changes, reads: { ...READS, failed: 7 } }));
      expect([fault, level, sentence.includes('Users notice: 7 a second of 400 fail.')]).toEqual([fault, 'critical', true]);
      expect([fault, sentence.includes('do not notice')]).toEqual([fault, false]);
    }
  });

  it('tells two causes that have nothing to do with each other, the graver one first', () => {
    const { sentence } = explain(facts({ redis: { state: 'down' }, outbox: { depth: 2000 } }));
    expect(sentence).toMatch(/^Redis cannot be reached: .*The outbox is deep: 2,000 changes wait/);
  });

  it('does not say within its budget while reads are slow', () => {
    const { sentence } = explain(facts({ redis: { state: 'down' }, latency: { p99Ms: 800 } }));
    expect(sentence).toMatch(/answered by the database\. Users may notice: one read in a hundred takes 800 ms or more\.$/);
  });
});
