import { once } from 'node:events';
import type { IncomingHttpHeaders, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** One POST that came in. */
export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly body: Record<string, unknown>;
  /** `firing redis_down` */
  readonly what: string;
}

/** What is done with one POST; `hang` answers never. */
export type Answer = number | 'hang' | ((response: ServerResponse) => void);

export interface AlertReceiver extends AsyncDisposable {
  readonly url: string;
  readonly received: readonly Received[];
  /** Answers for the next POSTs, in order; afterwards, and by default, 204. */
  readonly answers: Answer[];
}

/** A real receiver of alerts on a loopback port. */
export async function startAlertReceiver(port = 0): Promise<AlertReceiver> {
  const received: Received[] = [];
  const answers: Answer[] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const text = Buffer.concat(parts).toString();
      const body = JSON.parse(text) as Record<string, unknown>;
      received.push({ headers: request.headers, text, body, what: `${String(body['state'])} ${String(body['alert'])}` });
      const answer = answers.shift() ?? 204;
      if (typeof answer === 'function') answer(response);
      else if (answer !== 'hang') response.writeHead(answer).end();
    });
  });
  server.keepAliveTimeout = 600_000;
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/path-secret`,
    received,
    answers,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
