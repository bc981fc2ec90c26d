import { randomUUID } from 'node:crypto';
import type { BreakerControl, BreakerState } from '../../src/cache/breaker-types.ts';
import type { Alert } from '../../src/alerts/alert.ts';
import { noRemoteTier } from '../../src/cache/no-remote-tier.ts';
import type { Inspection } from '../../src/cache/inspect.ts';
import type { Found, InvalidationState, Lookup } from '../../src/cache/lookup.ts';
import { limitsOf } from '../../src/cache/limits.ts';
import { ForebayError } from '../../src/core/errors.ts';
import type { FileReads, Files, ReadOptions } from '../../src/files/files.ts';
import type { FileId, FileInfo, FileMeta } from '../../src/files/records.ts';
import { attributesSchema, fileId, filePatchSchema, newFileSchema, parseInput } from '../../src/files/records.ts';
import type { WriteCondition } from '../../src/files/store.ts';
import type { FileTransaction } from '../../src/files/transactions.ts';
import { reportOn } from '../../src/doctor/report.ts';
import type { Forebay, Readiness } from '../../src/forebay.ts';
import type { ForebayEvent } from '../../src/event-log.ts';
import type { Vitals } from '../../src/vitals.ts';
import { calmVitals } from './vitals.ts';
import { Reporter } from '../../src/metrics/report/reporter.ts';
import { systemClock } from '../../src/core/clock.ts';

const BOUND_MS = 1000;

type Outcome = Lookup<unknown>['outcome'];

/** How the next reads are to be answered. */
export interface MemoryForebay extends Forebay {
  /** Turns a found record into another outcome; by default the first read is loaded, later ones are local hits. */
  answerWith: {
    outcome: Outcome;
    tier?: 'local' | 'remote';
    ttlLeftMs?: number;
    joined?: boolean;
    stored?: boolean;
    ifError?: boolean;
    error?: ForebayError;
  } | null;
  /** What the last read asked of its answer. */
  lastRead: ReadOptions;
  /** Reads wait for this, and for their signal. */
  gate: Promise<void> | null;
  /** Signals of the reads that waited at the gate. */
  readonly waiting: AbortSignal[];
  readinessNow: Readiness;
  alertsNow: Alert[];
  vitalsNow: Vitals;
  eventsNow: ForebayEvent[];
  invalidation: InvalidationState;
  readonly invalidated: unknown[];
  /** Without Redis before the service is made of it: `null`. */
  redis: BreakerControl | null;
}

interface Row {
  info: FileInfo;
  meta: FileMeta;
}

function checkVersion(current: number, condition: WriteCondition | undefined): void {
  if (condition?.ifVersion !== undefined && condition.ifVersion !== current) {
    throw new ForebayError('VERSION_MISMATCH', `the version is ${current}, not ${condition.ifVersion}`);
  }
}

function withoutNulls(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined));
}

/** One transaction at a time, on records that have no database; it takes no SQL. */
function transactionOn(files: Files): FileTransaction {
  const query = (): never => {
    throw new ForebayError('STATEMENT_REFUSED', 'these records are in no database');
  };
  return { ...files, query };
}

/** A breaker that lets itself be switched, before no Redis at all. */
function memoryBreaker(): BreakerControl {
  const breaker = {
    state: 'closed' as BreakerState,
    reason: 'calls pass from the start',
    counts: { transitions: { closed: 0, open: 0, 'half-open': 0, isolated: 0 }, refused: 0 },
    isolate: (): BreakerState => (breaker.state = 'isolated'),
    restore: (): BreakerState => (breaker.state = breaker.state === 'closed' ? 'closed' : 'half-open'),
    probe: (): BreakerState => breaker.state,
  };
  return breaker;
}

// eslint-disable-next-line require-yield
async function* noBackup(): AsyncGenerator<Uint8Array> {
  throw new ForebayError('REDIS_UNAVAILABLE', 'there is no Redis to back up');
}

/** A Forebay without tiers, for tests of the HTTP layer alone: the same records and rules, and answers to order. */
export function createMemoryForebay(): MemoryForebay {
  const rows = new Map<FileId, Row>();
  const seen = new Set<string>();
  let sequence = 100;

  const rowOf = (id: string): Row => {
    const row = rows.get(fileId(id));
    if (row === undefined) throw new ForebayError('NOT_FOUND', `there is no file ${id}`, { field: 'id' });
    return row;
  };

  const gateFor = async (options: ReadOptions = {}): Promise<void> => {
    const { signal } = options;
    limitsOf(options, BOUND_MS);
    forebay.lastRead = options;
    if (forebay.gate === null) return;
    if (signal !== undefined) forebay.waiting.push(signal);
    await Promise.race([forebay.gate, new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))]);
  };

  function outcomeOf<R extends { version: number }>(kind: string, id: string, value: R | undefined): Lookup<R> {
    const order = forebay.answerWith;
    if (order?.outcome === 'unavailable') {
      return {
        outcome: 'unavailable',
        error: order.error ?? new ForebayError('DATABASE_UNAVAILABLE', 'connect ECONNREFUSED 10.1.2.3:5432'),
      };
    }
    const ttlLeftMs = order?.ttlLeftMs ?? 30_000;
    if (value === undefined) return { outcome: 'absent', tier: order?.tier ?? 'source', ageMs: 0, ttlLeftMs };
    const found: Found<R> = { value, json: Buffer.from(JSON.stringify(value)), version: value.version, ageMs: 1, ttlLeftMs };
    const known = seen.has(kind + id);
    seen.add(kind + id);
    if (order?.outcome === 'stale') {
      return { ...found, outcome: 'stale', tier: order.tier ?? 'local', asOfAgeMs: 1, ifError: order.ifError ?? false };
    }
    if (order?.outcome === 'loaded' || (order === null && !known)) {
      return { ...found, outcome: 'loaded', tier: 'source', joined: order?.joined ?? false, stored: order?.stored ?? true };
    }
    return { ...found, outcome: 'hit', tier: order?.tier ?? 'local' };
  }

  const inspect = async (id: string): Promise<Inspection> => ({
    key: `file:info:{${id}}`,
    local: { state: 'fresh', absent: false, version: 7, ageMs: 5, ttlLeftMs: 100, bytes: 200, tags: ['owner:a'] },
    remote: { state: 'unavailable', reason: 'Redis is down' },
    flight: { ageMs: 1, waiters: 2, tainted: false },
    lease: null,
  });

  function readsOf<R extends { version: number }>(kind: string, pick: (row: Row) => R): FileReads<R> {
    const valueOf = (id: string): R | undefined => {
      const row = rows.get(fileId(id));
      return row === undefined ? undefined : pick(row);
    };
    return {
      get: async (id) => valueOf(id) ?? null,
      lookup: async (id, options) => {
        await gateFor(options);
        return outcomeOf(kind, id, valueOf(id));
      },
      lookupMany: async (ids, options) => {
        await gateFor(options);
        return ids.map((id) => outcomeOf(kind, id, valueOf(id)));
      },
      getMany: async (ids) => new Map(ids.map((id) => [id, valueOf(id) ?? null])),
      peek: (id) => valueOf(id) ?? null,
      inspect,
    };
  }

  const files: Files = {
    ...readsOf('info', (row) => row.info),
    meta: {
      ...readsOf('meta', (row) => row.meta),
      put: async (id, attributes, condition) => {
        const row = rowOf(id);
        checkVersion(row.meta.version, condition);
        row.meta = { id: row.info.id, version: ++sequence, attributes: parseInput(attributesSchema, attributes) };
        return { record: row.meta, version: row.meta.version, invalidation: forebay.invalidation };
      },
    },
    create: async (file) => {
      const given = parseInput(newFileSchema, file);
      const id = given.id ?? fileId(randomUUID());
      if (rows.has(id)) throw new ForebayError('FILE_EXISTS', `there is a file ${id} already`, { field: 'id' });
      const now = '2026-01-02T03:04:05.678Z';
      const name = given.name ?? given.path.split('/').at(-1) ?? '';
      const info = { ...withoutNulls(given), id, name, createdAt: now, updatedAt: now, version: ++sequence } as FileInfo;
      rows.set(id, { info, meta: { id, version: 0, attributes: {} } });
      return { record: info, version: info.version, invalidation: forebay.invalidation };
    },
    update: async (id, patch, condition) => {
      const row = rowOf(id);
      checkVersion(row.info.version, condition);
      row.info = withoutNulls({ ...row.info, ...parseInput(filePatchSchema, patch), version: ++sequence }) as FileInfo;
      return { record: row.info, version: row.info.version, invalidation: forebay.invalidation };
    },
    delete: async (id, condition) => {
      const row = rows.get(fileId(id));
      if (row !== undefined) checkVersion(row.info.version, condition);
      return { existed: rows.delete(fileId(id)), invalidation: forebay.invalidation };
    },
    transaction: async (work) => {
      const before = [...rows].map(([id, row]) => [id, { ...row }] as const);
      try {
        return { value: await work(transactionOn(files)), invalidation: forebay.invalidation };
      } catch (error) {
        rows.clear();
        for (const [id, row] of before) rows.set(id, row);
        throw error;
      }
    },
    settle: (ids) => files.invalidate({ ids }),
    invalidate: async (targets) => {
      forebay.invalidated.push(targets);
      return { invalidation: forebay.invalidation };
    },
    purge: (targets) => files.invalidate(targets),
    warm: (async (what: unknown) => ({ loaded: Array.isArray(what) ? what.length : 0, absent: 0, failed: 0 })) as Files['warm'],
  };

  const reporter = new Reporter({ caches: [], hasRemote: false, health: null }, systemClock);
  reporter.close();
  const forebay: MemoryForebay = {
    files,
    tier: noRemoteTier({ alone: true }),
    health: null,
    redis: memoryBreaker(),
    answerWith: null,
    lastRead: {},
    gate: null,
    waiting: [],
    readinessNow: { ready: true, database: 'up', redis: 'up', breaker: 'closed', stalenessMs: 12, maxStalenessMs: 1000, reasons: [] },
    alertsNow: [],
    vitalsNow: calmVitals(),
    eventsNow: [],
    invalidation: 'applied',
    invalidated: [],
    vitals: () => forebay.vitalsNow,
    popular: () => [...rows.keys()].map((id) => ({ id, cache: 'info' as const, reads: 2 })),
    events: (after = 0) => forebay.eventsNow.filter(({ number }) => number > after),
    readiness: async () => forebay.readinessNow,
    recoveries: () => ({ current: null, past: [] }),
    recover: async () => ({ outcome: 'well', steps: [], broken: [], recovery: null, tookMs: 1 }),
    warm: async ({ ids = [], dryRun = false } = {}) => ({
      outcome: 'done',
      dryRun,
      tier: 'redis',
      done: ids.length,
      loaded: ids.length,
      found: 0,
      absent: 0,
      failed: 0,
      missing: 0,
      share: 1,
      readsFound: null,
      missed: [],
      tookMs: 1,
      load: 0,
      calmLoad: null,
    }),
    alerts: () => forebay.alertsNow,
    // Without tiers there is nothing to report but nothing.
    report: (options) => reporter.report(options),
    hot: () => ({}),
    doctor: async ({ dryRun = false } = {}) => reportOn([], { dryRun, stopped: false, tookMs: 1 }),
    backup: () => noBackup(),
    restore: () => Promise.reject(new ForebayError('REDIS_UNAVAILABLE', 'there is no Redis to restore into')),
    metricsText: async () => ({
      contentType: 'text/plain; version=0.0.4; charset=utf-8',
      body: '# TYPE forebay_test gauge\nforebay_test 1\n',
    }),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return forebay;
}
