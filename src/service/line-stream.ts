import type { FastifyReply, FastifyRequest } from 'fastify';
import { ForebayError } from '../core/errors.ts';
import { faultOf } from './faults.ts';
import { problemOf } from './problem.ts';

/** Every number of an answer in lines. */
const LINES = Object.freeze({
  /** Progress is told this often at most, in ms: what comes in between is left out. */
  everyMs: 100,
  /** An empty line is sent after so long without another, in ms, so that a client can tell slow work from a dead service. */
  heartbeatMs: 5_000,
  /** Of what a slow client has not taken yet, so much is kept, in bytes; progress beyond it is left out. */
  maxUnsentBytes: 64 * 1024,
});

/** What the last line of an answer holds beside lines of `{"progress": …}`. */
export type LastLine = { readonly result: object } | { readonly problem: ReturnType<typeof problemOf> };

/**
 * Answers with JSON lines: `{"progress": …}` as the work goes on, and `{"result": …}` or `{"problem": …}` at its end. Empty lines in between mean nothing.
 *
 * `work` is told by its signal when the client has left, or the service closes; the route has to be one of `config: { stream: true }`. What it throws before it told any progress is a problem like any other route's:
 * the status is sent with the first line.
 */
export async function answerInLines(
  request: FastifyRequest,
  reply: FastifyReply,
  closing: AbortSignal,
  work: (signal: AbortSignal, tell: (progress: object) => void) => Promise<object>,
): Promise<FastifyReply> {
  const { raw } = reply;
  let toldAt = -Infinity;
  const begin = (): void => {
    if (reply.sent) return;
    reply.hijack();
    raw.writeHead(200, {
      'content-type': 'application/x-ndjson; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
      'x-request-id': request.id,
      connection: 'close',
    });
  };
  const tell = (progress: object): void => {
    const now = performance.now();
    if (now - toldAt < LINES.everyMs || raw.writableLength > LINES.maxUnsentBytes || raw.writableEnded) return;
    toldAt = now;
    begin();
    raw.write(`${JSON.stringify({ progress })}\n`);
  };
  const heartbeat = setInterval(() => {
    begin();
    if (raw.writableLength < LINES.maxUnsentBytes) raw.write('\n');
  }, LINES.heartbeatMs);
  let last: LastLine;
  try {
    closing.throwIfAborted();
    last = { result: await work(AbortSignal.any([request.waiting, closing]), tell) };
  } catch (error) {
    if (!reply.sent) throw error;
    const fault = faultOf(closing.aborted ? new ForebayError('CLOSED', 'the service is closing; what was done stays done') : error);
    last = { problem: problemOf(fault, { requestId: request.id, url: request.url }) };
  } finally {
    clearInterval(heartbeat);
  }
  begin();
  raw.end(`${JSON.stringify(last)}\n`);
  return reply;
}
