import type { FastifyReply, FastifyRequest } from 'fastify';
import { HttpFault } from './faults.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Aborts when the client has left or the answer has taken too long: nobody waits for the result any more. */
    waiting: AbortSignal;
  }
}

/**
 * Gives the request its `waiting` signal and, past the limit, its answer. `limitMs = null`: the answer goes on for as long as the client listens.
 *
 * The framework's own `request.signal` and `handlerTimeout` hang on the request stream's `close`, which comes as soon as a body was read:
 * under them every POST would be called off at once and never timed out. The response's `close` is the end of the exchange for all methods.
 */
export function limitWaiting(request: FastifyRequest, reply: FastifyReply, limitMs: number | null, answer: (error: unknown) => void): void {
  const controller = new AbortController();
  request.waiting = controller.signal;
  const overdue = (): void => {
    const fault = new HttpFault('RESPONSE_TIMEOUT', `the answer took longer than ${limitMs} ms`);
    if (!reply.sent) answer(fault);
    controller.abort(fault);
  };
  const timer = limitMs === null ? undefined : setTimeout(overdue, limitMs);
  const ended = (): void => {
    clearTimeout(timer);
    if (!reply.raw.writableFinished) controller.abort(new Error('the client left'));
  };
  if (reply.raw.closed) ended();
  else reply.raw.once('close', ended);
}
