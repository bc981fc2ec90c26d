import type { Server } from 'node:http';
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Fault } from './problem.ts';
import { PROBLEM_TYPE, problemOf } from './problem.ts';

/** Faults of connections whose bytes never became a request, by the code of Node's error. */
const PARSER_FAULTS: Readonly<Record<string, Fault>> = Object.freeze({
  HPE_HEADER_OVERFLOW: { code: 'HEADERS_TOO_LARGE', detail: 'the request line and headers are larger than 16 KiB' },
  ERR_HTTP_REQUEST_TIMEOUT: { code: 'REQUEST_TIMEOUT', detail: 'the request did not arrive in time' },
});
const MALFORMED: Fault = { code: 'REQUEST_MALFORMED', detail: 'this is not an HTTP/1.1 request' };

function answer(socket: Duplex, fault: Fault): number {
  const problem = problemOf(fault);
  const body = JSON.stringify(problem);
  const reason = STATUS_CODES[problem.status] ?? 'Bad Request';
  socket.end(
    `HTTP/1.1 ${problem.status} ${reason}\r\nContent-Type: ${PROBLEM_TYPE}\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
  return problem.status;
}

/** Node keeps the answer that is being written to a socket here. */
const answerBegun = (socket: Duplex): boolean =>
  (socket as Duplex & { _httpMessage?: { headersSent?: boolean } | null })._httpMessage?.headersSent === true;

/** Answers what the HTTP parser refuses. In the middle of another answer nothing can be said without corrupting it. */
export function clientErrorHandler(rejected: (status: number) => void): (error: NodeJS.ErrnoException, socket: Duplex) => void {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable || answerBegun(socket)) {
      socket.destroy();
      return;
    }
    rejected(answer(socket, PARSER_FAULTS[error.code ?? ''] ?? MALFORMED));
  };
}

/** Answers what Node would answer without a body or not at all: `CONNECT`, and an `Expect` that is not `100-continue`. */
export function answerOddRequests(server: Server, rejected: (status: number) => void): void {
  server.on('connect', (_request, socket) => {
    socket.on('error', () => socket.destroy());
    rejected(answer(socket, { code: 'METHOD_NOT_ALLOWED', detail: 'CONNECT is for proxies; this is not one' }));
  });
  server.on('checkExpectation', (_request, response) => {
    const problem = problemOf({ code: 'EXPECTATION_FAILED', detail: 'only Expect: 100-continue is understood' });
    rejected(problem.status);
    const body = JSON.stringify(problem);
    response
      .writeHead(problem.status, { 'content-type': PROBLEM_TYPE, 'content-length': Buffer.byteLength(body), connection: 'close' })
      .end(body);
  });
}
