import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { REPORT_STYLE_HASH } from '../routes/report.ts';
import { matchesOpaque } from '../etag.ts';
import type { App } from '../routes/app-type.ts';

/** Files of the page, beside `src` and `dist` alike: what stands here is served, and nothing else. */
const OWN = [
  'access.js',
  'bars.js',
  'charts.js',
  'dom.js',
  'endpoints.js',
  'events.js',
  'explain-entry.js',
  'figures.js',
  'format.js',
  'history.js',
  'hot.js',
  'icon.svg',
  'lookup.js',
  'main.js',
  'page.css',
  'parts.css',
  'report.js',
  'status.js',
  'stream.js',
  'theme.js',
] as const;

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** Nothing from elsewhere, nothing inline, nobody around it. The report, which the page opens from memory, is under the same rule: its one style is the exception. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'self' '${REPORT_STYLE_HASH}'`,
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const HEADERS = {
  'content-security-policy': POLICY,
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  // Kept, and asked for anew each time by its tag: a new version of the service is a new page at once.
  'cache-control': 'no-cache',
} as const;

interface Asset {
  readonly bytes: Buffer;
  /** Between the quotes of its ETag. */
  readonly digest: string;
}

const require = createRequire(import.meta.url);
const ownFile = (name: string): string => fileURLToPath(new URL(`page/${name}`, import.meta.url));

/** Where each path leads. The charts' library is served as it was installed. */
function files(): Map<string, () => string> {
  return new Map([
    ['/', () => ownFile('index.html')],
    ...OWN.map((name): [string, () => string] => [`/dashboard/${name}`, () => ownFile(name)]),
    ['/dashboard/uplot.js', () => require.resolve('uplot/dist/uPlot.esm.js')],
    ['/dashboard/uplot.css', () => require.resolve('uplot/dist/uPlot.min.css')],
  ]);
}

async function readAsset(file: string): Promise<Asset> {
  const bytes = await readFile(file);
  return { bytes, digest: createHash('sha256').update(bytes).digest('base64url').slice(0, 22) };
}

/** The dashboard page at `/` and its files below `/dashboard/`: open without a token, since nothing of it is anybody's data. */
export function pageRoutes(app: App): void {
  const read = new Map<string, Promise<Asset>>();
  const assetOf = (url: string, file: () => string): Promise<Asset> => {
    const known = read.get(url) ?? readAsset(file());
    read.set(url, known);
    known.catch(() => read.delete(url));
    return known;
  };
  for (const [url, file] of files()) {
    const type = TYPES[path.extname(url) || '.html'] ?? 'application/octet-stream';
    for (const method of ['GET', 'HEAD'] as const) {
      app.route({
        method,
        url,
        schema: { hide: true },
        handler: async (request, reply) => {
          const { bytes, digest } = await assetOf(url, file);
          reply.headers({ ...HEADERS, 'content-type': type, etag: `"${digest}"` });
          if (matchesOpaque(request.headers['if-none-match'], digest)) return reply.code(304).send();
          return reply.send(bytes);
        },
      });
    }
  }
}
