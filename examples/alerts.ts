/**
 * A receiver of alerts that checks who sent them, and a Forebay whose Redis is away.
 * Run it: `node examples/alerts.ts`. The function `check` is all that a receiver needs; docs/alerts.md explains it.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createForebay } from '../src/index.ts';

const SECRET = 'correct-horse-battery-staple';
/** What was signed longer ago is refused: a recording of an old alert, sent again. */
const WINDOW_SECONDS = 300;

/** `null`, or why this is none of ours. `body`: as it came, before it is parsed. */
function check(body: string, header: string, nowSeconds: number): string | null {
  const [, t = '', v1 = ''] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(header) ?? [];
  const expected = createHmac('sha256', SECRET).update(`${t}.${body}`).digest();
  const given = Buffer.from(v1, 'hex');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'not signed with our secret';
  return Math.abs(nowSeconds - Number(t)) > WINDOW_SECONDS ? 'too old' : null;
}

const known = new Set<string>();

/** What the receiver answers, and what it thought. */
function receive(body: string, header: string, nowSeconds: number): [status: number, thought: string] {
  const fault = check(body, header, nowSeconds);
  if (fault !== null) return [401, fault];
  const { id } = JSON.parse(body) as { id: string };
  // The sender tries again when it does not hear our answer: the same id.
  if (known.has(id)) return [204, 'already known'];
  known.add(id);
  return [204, 'the signature holds'];
}

const first = Promise.withResolvers<{ body: string; header: string }>();
const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (part: string) => (body += part));
  request.on('end', () => {
    const header = String(request.headers['x-forebay-signature']);
    const [status, thought] = receive(body, header, Date.now() / 1000);
    const { state, alert } = JSON.parse(body) as { state: string; alert: string };
    console.log(`${state} ${alert}: ${status}, ${thought}`); // firing redis_down: 204, the signature holds
    response.writeHead(status).end();
    first.resolve({ body, header });
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const { port } = server.address() as AddressInfo;

const forebay = await createForebay({
  database: 'pglite:memory',
  redis: 'redis://127.0.0.1:1', // nobody listens there
  alerts: { redisDownMs: 0, webhook: { url: `http://127.0.0.1:${port}/`, secret: SECRET }, boundExceededMs: 60_000 },
});
const { body, header } = await first.promise;
await forebay.close();
server.close();

const now = Date.now() / 1000;
const tell = (what: string, [status, thought]: [number, string]): void => console.log(`${what}: ${status}, ${thought}`);
tell('the same with another body', receive(body.replace('redis_down', 'all_is_well'), header, now)); // 401, not signed with our secret
tell('the same ten minutes later', receive(body, header, now + 600)); // 401, too old
tell('the same again', receive(body, header, now)); // 204, already known
