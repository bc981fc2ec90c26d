import { createHash } from 'node:crypto';
import { z } from 'zod';
import { parseDuration } from '../../core/duration.ts';
import type { Forebay } from '../../forebay.ts';
import { reportHtml } from '../../metrics/report/html.ts';
import { REPORT_STYLE } from '../../metrics/report/html-style.ts';
import type { ReportOptions } from '../../metrics/report/reporter.ts';
import { sendJson, toJson } from './answers.ts';
import type { App } from './app-type.ts';
import { reportSchema } from './report-schema.ts';
import { json, problems } from './schemas.ts';

const PROBLEMS = {
  400: 'The period is none, or there is an unknown query parameter.',
  401: 'The token is missing or wrong.',
} as const;

const query = z.strictObject({
  period: z
    .string()
    .optional()
    .describe(
      'Of how long, up to now, from 1s to 1d: `90s`, `15m`, `1h`, `1d`. Without it the report is of all since the start of the process.',
    ),
});

/** @throws {ForebayError} `INPUT_INVALID`, from the report, for what is no duration too */
const optionsOf = ({ period }: z.output<typeof query>): ReportOptions =>
  period === undefined ? {} : { periodMs: parseDuration(period) ?? Number.NaN };

/** Names the style that is in the page, for a policy that allows no other. */
export const REPORT_STYLE_HASH = `sha256-${createHash('sha256').update(REPORT_STYLE).digest('base64')}`;

/** Nothing is loaded and no script runs, whatever a key or tag is called. */
const CONTENT_SECURITY = `default-src 'none'; style-src '${REPORT_STYLE_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;

/** `GET|HEAD /v1/report` and `GET|HEAD /report`, of this instance. Keys and tags are named in them, so they need the token. */
export function reportRoutes(app: App, forebay: Pick<Forebay, 'report'>): void {
  const shared = { tags: ['operations'], security: [{ bearer: [] }], querystring: query };
  for (const method of ['GET', 'HEAD'] as const) {
    const none = z.undefined().describe('It was made.');
    const asGet = 'As GET, without the body.';
    app.route({
      method,
      url: '/v1/report',
      config: { guarded: true },
      schema: {
        ...shared,
        operationId: 'report',
        summary: method === 'GET' ? 'What the caches of this instance did: what they saved, and what other sizes would.' : asGet,
        response: { 200: method === 'GET' ? json('The report.', reportSchema) : none, ...problems(PROBLEMS) },
      },
      handler: async (request, reply) =>
        sendJson(reply.header('cache-control', 'no-store'), toJson(forebay.report(optionsOf(request.query)))),
    });
    app.route({
      method,
      url: '/report',
      config: { guarded: true },
      schema: {
        ...shared,
        operationId: 'reportPage',
        summary: method === 'GET' ? 'The same as a page that needs nothing else: one file, to be kept or sent on.' : asGet,
        response: {
          200: method === 'GET' ? { description: 'The page.', content: { 'text/html': { schema: z.string() } } } : none,
          ...problems(PROBLEMS),
        },
      },
      handler: async (request, reply) =>
        reply
          .header('cache-control', 'no-store')
          .header('content-security-policy', CONTENT_SECURITY)
          .header('x-content-type-options', 'nosniff')
          .header('referrer-policy', 'no-referrer')
          .header('content-type', 'text/html; charset=utf-8')
          .send(reportHtml(forebay.report(optionsOf(request.query)))),
    });
  }
}
