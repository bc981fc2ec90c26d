import { randomUUID } from 'node:crypto';
import fastify from 'fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { validatorCompiler } from 'fastify-type-provider-zod';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Logger } from '../core/logger.ts';
import { silentLogger } from '../core/logger.ts';
import { ForebayError } from '../core/errors.ts';
import type { Forebay } from '../forebay.ts';
import { bearerCheck } from './auth.ts';
import { dashboard } from './dashboard/dashboard.ts';
import { faultOf, HttpFault } from './faults.ts';
import type { HttpSettings } from './http-settings.ts';
import { httpSettings } from './http-settings.ts';
import { parseJsonBody } from './json-body.ts';
import { createKnownRoutes } from './known-routes.ts';
import type { Observer } from './observe.ts';
import { createObserver } from './observe.ts';
import { describeApi } from './openapi.ts';
import { PROBLEM_TYPE, problemOf, PROBLEMS } from './problem.ts';
import { answerOddRequests, clientErrorHandler } from './raw-errors.ts';
import type { App } from './routes/app-type.ts';
import { backupRoutes } from './routes/backup.ts';
import { batchRoute } from './routes/batch.ts';
import { benchRoute } from './routes/bench.ts';
import { cacheAdminRoutes } from './routes/cache-admin.ts';
import { doctorRoute } from './routes/doctor.ts';
import { fileReadRoutes } from './routes/file-reads.ts';
import { fileWriteRoutes } from './routes/file-writes.ts';
import { operationsRoutes } from './routes/operations.ts';
import { recoveryRoutes } from './routes/recovery.ts';
import { reportRoutes } from './routes/report.ts';
import { redisAdminRoutes } from './routes/redis-admin.ts';
import { warmRoute } from './routes/warm.ts';
import { watchSilentConnections } from './silent-connections.ts';
import { limitWaiting } from './waiting.ts';

export interface AppOptions {
  readonly forebay: Forebay;
  /** A whole `Config` or parts of it. @defaultValue each setting's own default */
  readonly config?: Partial<HttpSettings>;
  /** @defaultValue silent */
  readonly logger?: Logger;
}

const MAX_HEADER_BYTES = 16 * 1024;
/** Node looks for requests that are overdue this often; its default of 30 s would be the shortest request timeout in effect. */
const MAX_CHECK_INTERVAL_MS = 5_000;
/** A tag of 128 characters, each of 4 bytes, percent-encoded. */
const MAX_PARAM_LENGTH = 128 * 4 * 3;
const API_VERSION = '1';

const requestIdOf = (given: string | string[] | undefined): string =>
  typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : randomUUID();

/** Answers a request with what went wrong. */
function sendFault(observer: Observer, error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const fault = faultOf(error);
  const { status, retryAfterSeconds } = PROBLEMS[fault.code];
  observer.failed(request, fault, error);
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="forebay"');
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
  reply.code(status).header('content-type', PROBLEM_TYPE).header('cache-control', 'no-store').header('x-request-id', request.id);
  return reply.send(Buffer.from(JSON.stringify(problemOf(fault, { requestId: request.id, url: request.url }))));
}

function buildServer(settings: HttpSettings, observer: Observer): App {
  const app = fastify({
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    bodyLimit: settings.bodyLimitBytes,
    requestTimeout: settings.requestTimeoutMs,
    keepAliveTimeout: settings.keepAliveTimeoutMs,
    trustProxy: settings.trustProxy,
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    // Without a Host header Node would answer by itself, without a body; the hook below says why.
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      requireHostHeader: false,
      headersTimeout: settings.requestTimeoutMs,
      requestTimeout: settings.requestTimeoutMs,
      connectionsCheckingInterval: Math.min(Math.ceil(settings.requestTimeoutMs / 2), MAX_CHECK_INTERVAL_MS),
    },
    genReqId: (request) => requestIdOf(request.headers['x-request-id']),
    clientErrorHandler: clientErrorHandler((status) => observer.rejected(status)),
    frameworkErrors: (error, request, reply) => {
      observer.begin(request, reply);
      sendFault(observer, error, request, reply);
    },
  }).withTypeProvider<ZodTypeProvider>();
  app.server.maxConnections = settings.maxConnections;
  answerOddRequests(app.server, (status) => observer.rejected(status));
  app.setValidatorCompiler(validatorCompiler);
  // Answers are written by the routes as bytes; the schemas describe them, and the tests hold the two together.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      done(null, parseJsonBody(request, body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  return app;
}

function addHooks(app: App, observer: Observer, { token, handlerTimeoutMs }: HttpSettings): void {
  const checkToken = token === null ? undefined : bearerCheck(token);
  app.addHook('onRequest', (request, reply, done) => {
    observer.begin(request, reply);
    reply.header('x-request-id', request.id);
    if (request.headers.host === undefined && request.raw.httpVersion === '1.1') {
      throw new HttpFault('REQUEST_MALFORMED', 'HTTP/1.1 needs a Host header', 'Host');
    }
    if (request.routeOptions.config.guarded === true) checkToken?.(request.headers.authorization);
    done();
  });
  // From here on the request is whole: how long it took to arrive is under its own limit.
  app.addHook('preValidation', (request, reply, done) => {
    const limitMs = request.routeOptions.config.stream === true ? null : handlerTimeoutMs;
    limitWaiting(request, reply, limitMs, (error) => {
      sendFault(observer, error, request, reply);
    });
    done();
  });
}

function addFallbacks(app: App, observer: Observer): void {
  const known = createKnownRoutes();
  app.addHook('onRoute', (route) => known.add(route));
  app.setErrorHandler((error, request, reply) => sendFault(observer, error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const methods = known.methodsOf(request.url);
    if (methods.length === 0) throw new HttpFault('ROUTE_NOT_FOUND', 'there is nothing at this path; /openapi.json lists what there is');
    reply.header('allow', methods.join(', '));
    throw new HttpFault('METHOD_NOT_ALLOWED', `this path takes ${methods.join(', ')}`);
  });
}

/**
 * The HTTP service over a Forebay, not yet listening. The Forebay stays the caller's to close, after the app.
 */
export function createApp({ forebay, config, logger = silentLogger }: AppOptions): App {
  const settings = httpSettings(config);
  const observer = createObserver(logger, settings.logRequests);
  const app = buildServer(settings, observer);
  const closing = new AbortController();
  const dropSilent = watchSilentConnections(app.server);
  app.addHook('preClose', (done) => {
    closing.abort(new ForebayError('CLOSED', 'the service is closing'));
    dropSilent();
    done();
  });
  addHooks(app, observer, settings);
  addFallbacks(app, observer);
  app.addHook('onClose', (_app, done) => {
    observer.close();
    done();
  });
  app.addHook('onSend', (_request, reply, payload, done) => {
    if (closing.signal.aborted) reply.header('connection', 'close');
    done(null, payload);
  });
  describeApi(app, API_VERSION);
  app.after(() => {
    fileReadRoutes(app, forebay.files);
    fileWriteRoutes(app, forebay.files);
    batchRoute(app, forebay.files);
    cacheAdminRoutes(app, forebay.files);
    warmRoute(app, forebay, closing.signal);
    redisAdminRoutes(app, forebay.redis);
    recoveryRoutes(app, forebay, closing.signal);
    reportRoutes(app, forebay);
    benchRoute(app, forebay.files);
    doctorRoute(app, forebay, closing.signal);
    backupRoutes(app, forebay, closing.signal);
    operationsRoutes(app, forebay, observer.registry, () => closing.signal.aborted);
    dashboard(app, forebay, observer, logger, settings);
  });
  return app;
}
