import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { FastifyReply } from 'fastify';
import type { Registry } from 'prom-client';
import { z } from 'zod';
import type { Forebay, Readiness } from '../../forebay.ts';
import { sendJson, toJson } from './answers.ts';
import { HttpFault } from '../faults.ts';
import type { App } from './app-type.ts';
import { alertsSchema, json, problems, readinessSchema } from './schemas.ts';

type Answer = (reply: FastifyReply) => Promise<FastifyReply>;
type Response = ReturnType<typeof json>;

interface OperationsRoute {
  readonly url: string;
  readonly operationId: string;
  readonly summary: string;
  readonly response: Readonly<Record<number, Response | { description: string; content: Record<string, { schema: z.ZodType }> }>>;
  readonly answer: Answer;
}

function operationsRoute(app: App, { url, operationId, summary, response, answer }: OperationsRoute): void {
  app.route({
    method: 'GET',
    url,
    schema: { operationId, summary, tags: ['operations'], response },
    handler: async (_request, reply) => answer(reply),
  });
  const none = Object.fromEntries(
    Object.entries(response).map(([status, { description }]) => [status, z.undefined().describe(description)]),
  );
  const head = { operationId, summary: 'As GET, without the body.', tags: ['operations'], response: none };
  app.route({ method: 'HEAD', url, schema: head, handler: async (_request, reply) => answer(reply) });
}

async function readinessOf(forebay: Forebay, closing: boolean): Promise<Readiness> {
  const readiness = await forebay.readiness();
  return closing ? { ...readiness, ready: false, reasons: ['The service is closing.', ...readiness.reasons] } : readiness;
}

function healthRoutes(app: App, forebay: Forebay, isClosing: () => boolean): void {
  operationsRoute(app, {
    url: '/healthz',
    operationId: 'health',
    summary: 'Answers as long as the process lives. Restart it when this does not answer.',
    response: { 200: json('It lives.', z.strictObject({ status: z.literal('ok') })) },
    answer: async (reply) => sendJson(reply.header('cache-control', 'no-store'), toJson({ status: 'ok' })),
  });
  operationsRoute(app, {
    url: '/readyz',
    operationId: 'readiness',
    summary: 'Whether this instance can serve. Send it no traffic while it cannot.',
    response: {
      200: json('It can; `reasons` still says what is amiss, such as Redis being down.', readinessSchema),
      503: json('It cannot yet, or no more.', readinessSchema),
    },
    answer: async (reply) => {
      const readiness = await readinessOf(forebay, isClosing());
      return sendJson(reply.code(readiness.ready ? 200 : 503).header('cache-control', 'no-store'), toJson(readiness));
    },
  });
}

function alertsRoute(app: App, forebay: Forebay): void {
  operationsRoute(app, {
    url: '/v1/alerts',
    operationId: 'alerts',
    summary: 'The alerts of this instance that fire now, and since when.',
    response: { 200: json('Those that fire; none when all is well.', alertsSchema) },
    answer: async (reply) => sendJson(reply.header('cache-control', 'no-store'), toJson({ alerts: forebay.alerts() })),
  });
}

function metricsRoute(app: App, forebay: Forebay, registry: Registry): void {
  operationsRoute(app, {
    url: '/metrics',
    operationId: 'metrics',
    summary: 'Every metric as Prometheus text.',
    response: { 200: { description: 'Prometheus text exposition.', content: { 'text/plain': { schema: z.string() } } } },
    answer: async (reply) => {
      // The names of the two parts are disjoint (`forebay_http_…` here), so that they make one exposition.
      const [engine, http] = await Promise.all([forebay.metricsText(), registry.metrics()]);
      return reply.header('content-type', engine.contentType).send(`${engine.body.trimEnd()}\n${http}`);
    },
  });
}

/** Beside `src` and `dist` alike. */
const ERROR_DOCS = fileURLToPath(new URL('../../../docs/errors.md', import.meta.url));

function docsRoute(app: App): void {
  operationsRoute(app, {
    url: '/docs/errors.md',
    operationId: 'errorDocs',
    summary: 'What each error code means and what to do; the `type` of problems points here.',
    response: {
      200: { description: 'Markdown.', content: { 'text/markdown': { schema: z.string() } } },
      ...problems({ 404: 'This installation comes without its documentation.' }),
    },
    answer: async (reply) => {
      const text = await readFile(ERROR_DOCS).catch(() => {
        throw new HttpFault('ROUTE_NOT_FOUND', 'this installation comes without its documentation');
      });
      return reply.header('content-type', 'text/markdown; charset=utf-8').send(text);
    },
  });
}

function openApiRoute(app: App): void {
  let document: Buffer | undefined;
  operationsRoute(app, {
    url: '/openapi.json',
    operationId: 'openApi',
    summary: 'This description of the service, in OpenAPI 3.1.',
    response: { 200: json('The document.', z.record(z.string(), z.unknown())) },
    answer: async (reply) => sendJson(reply, (document ??= toJson(app.swagger()))),
  });
}

/** `/openapi.json`, `/healthz`, `/readyz`, `/v1/alerts`, `/metrics` and the documentation that problems point to; open without a token. */
export function operationsRoutes(app: App, forebay: Forebay, registry: Registry, isClosing: () => boolean): void {
  healthRoutes(app, forebay, isClosing);
  alertsRoute(app, forebay);
  metricsRoute(app, forebay, registry);
  docsRoute(app);
  openApiRoute(app);
}
