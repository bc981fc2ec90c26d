import type { FastifyReply, FastifyRequest } from 'fastify';
import { Counter, Histogram, Registry } from 'prom-client';
import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { HttpSettings } from './http-settings.ts';
import { LineLimiter } from './line-limiter.ts';
import type { Fault } from './problem.ts';

/** Requests of one app, counted and logged once each, when the answer is out or the client gone. */
export interface Observer {
  /** Watches a request from its start. */
  begin(request: FastifyRequest, reply: FastifyReply): void;
  /** Notes what went wrong with a request, for its log line. */
  failed(request: FastifyRequest, fault: Fault, error: unknown): void;
  /** Counts a request so broken that it never became one. */
  rejected(status: number): void;
  /** Says what was held back so far; nothing is logged late after it. */
  close(): void;
  readonly registry: Registry;
  /** Requests since the start, streams aside, and those of them that were answered with a status of 500 and above. */
  readonly counts: { readonly requests: number; readonly failed: number };
}

/** What nginx writes for a client that left before the answer; it goes to logs and metrics only. */
const CLIENT_GONE = 499;
const UNKNOWN = 'unknown';
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Asked for by machines every few seconds. */
const QUIET = new Set(['/healthz', '/readyz', '/metrics', '/v1/alerts', '/v1/live']);

/** The pattern, never the URL: ids and names stay out of logs, and labels stay few. */
const routeOf = (request: FastifyRequest): string => (request.is404 ? UNKNOWN : (request.routeOptions.url ?? UNKNOWN));
const methodOf = (request: FastifyRequest): string => (METHODS.has(request.method) ? request.method : 'OTHER');

function createMetrics(held: () => ReadonlyMap<string, number>) {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'forebay_http_requests_total',
    help: 'HTTP requests answered, by route pattern, method and class of status (4xx includes clients that left).',
    labelNames: ['route', 'method', 'status'] as const,
    registers,
  });
  const duration = new Histogram({
    name: 'forebay_http_request_duration_seconds',
    help: 'Time from the request headers to the end of the answer.',
    labelNames: ['route', 'method'] as const,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  const suppressed = new Counter({
    name: 'forebay_log_lines_suppressed_total',
    help: 'Lines about requests that we failed which were not logged, since there were many of the same code within ten seconds.',
    labelNames: ['code'] as const,
    registers,
    collect() {
      this.reset();
      for (const [code, lines] of held()) this.inc({ code }, lines);
    },
  });
  void suppressed;
  return { registry, requests, duration };
}

export function createObserver(logger: Logger, which: HttpSettings['logRequests'], clock: Clock = systemClock): Observer {
  const limiter = new LineLimiter(clock, (code, held) => {
    logger.warn({ code, suppressed: held }, 'more requests failed in the same way, too many for a line each');
  });
  const { registry, requests, duration } = createMetrics(() => limiter.held);
  const faults = new WeakMap<FastifyRequest, { fault: Fault; error: unknown }>();

  const log = (request: FastifyRequest, status: number, durationMs: number): void => {
    if (which === 'none' || (which === 'failed' && status < 400)) return;
    const route = routeOf(request);
    const failure = faults.get(request);
    if (status >= 500 && !limiter.passes(failure?.fault.code ?? 'INTERNAL')) return;
    const fields = {
      requestId: request.id,
      method: methodOf(request),
      route,
      status,
      durationMs: Math.round(durationMs * 1000) / 1000,
      ip: request.ip,
      ...(failure === undefined ? {} : { code: failure.fault.code }),
      // A client's mistake names what the client sent; only our own failures are told in full.
      ...(failure !== undefined && status >= 500 ? { error: failure.error } : {}),
    };
    if (status >= 500 && failure?.fault.code === 'INTERNAL') logger.error(fields, 'request failed unexpectedly');
    else if (status >= 500) logger.warn(fields, 'request failed');
    else if (QUIET.has(route)) logger.debug(fields, 'request');
    else logger.info(fields, 'request');
  };

  const counts = { requests: 0, failed: 0 };

  return {
    registry,
    counts,
    begin(request, reply) {
      const startedMs = performance.now();
      reply.raw.once('close', () => {
        const durationMs = performance.now() - startedMs;
        const isStream = request.routeOptions.config?.stream === true && reply.raw.statusCode === 200;
        const status = reply.raw.writableFinished || isStream ? reply.raw.statusCode : CLIENT_GONE;
        const labels = { route: routeOf(request), method: methodOf(request) };
        requests.inc({ ...labels, status: `${Math.floor(status / 100)}xx` });
        if (!isStream) {
          duration.observe(labels, durationMs / 1000);
          counts.requests += 1;
          if (status >= 500) counts.failed += 1;
        }
        log(request, status, durationMs);
      });
    },
    failed(request, fault, error) {
      faults.set(request, { fault, error });
    },
    close: () => limiter.close(),
    rejected(status) {
      requests.inc({ route: UNKNOWN, method: 'OTHER', status: `${Math.floor(status / 100)}xx` });
    },
  };
}
