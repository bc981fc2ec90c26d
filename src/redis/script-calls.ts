import type { Redis } from 'ioredis';
import type { Clock } from '../core/clock.ts';
import type { UnavailableReason } from '../cache/remote-tier.ts';
import type { Pass } from './breaker-pass.ts';
import { isAnswer } from './breaker-pass.ts';
import type { RedisLink } from './link.ts';
import type { ScriptCall } from './scripts.ts';
import { TurnBatch } from './turn-batch.ts';

/** What became of a call; a call that was not answered may have been carried out all the same. */
export type Reply<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: UnavailableReason; readonly error?: Error };

interface Pending {
  readonly call: ScriptCall;
  /** What it travels with; `null` before it was sent. */
  pass: Pass | null;
  readonly settle: (reply: Reply<unknown>) => void;
}

const REFUSED: Reply<never> = Object.freeze({ ok: false, reason: 'breaker' });

const NO_RESULT: [Error, null] = [new Error('the pipeline gave no result'), null];

/** Calls under way at once, beyond which new ones are refused: at 50 ms a call this is 200,000 a second. */
const MAX_UNANSWERED = 10_000;

/** Runs scripts: the calls of one turn of the event loop in one pipeline, each with its own deadline. Never rejects, never queues without a connection. */
export class ScriptCalls {
  readonly #link: RedisLink;
  readonly #clock: Clock;
  readonly #batch: TurnBatch<Pending>;
  #unanswered = 0;

  constructor(link: RedisLink) {
    this.#link = link;
    this.#clock = link.clock;
    this.#batch = new TurnBatch(link.clock, (calls) => void this.#send(calls));
  }

  /** Runs a script; its replies' strings come as Buffers. `deadline`: monotonic ms after which the answer is not waited for. */
  run(call: ScriptCall, deadline: number): Promise<Reply<unknown>> {
    if (this.#link.connection === 'down') return Promise.resolve({ ok: false, reason: 'disconnected' });
    if (!this.#link.breaker.admits()) return Promise.resolve(REFUSED);
    if (this.#unanswered >= MAX_UNANSWERED) return Promise.resolve({ ok: false, reason: 'overload' });
    this.#unanswered += 1;
    return new Promise((resolve) => {
      const timer = this.#clock.schedule(Math.max(0, deadline - this.#clock.now()), () => {
        resolve({ ok: false, reason: 'budget' });
        pending.pass?.late();
      });
      const settle = (reply: Reply<unknown>): void => {
        this.#unanswered -= 1;
        timer.cancel();
        resolve(reply);
      };
      const pending: Pending = { call, pass: null, settle };
      this.#batch.add(pending);
    });
  }

  async #send(calls: Pending[]): Promise<void> {
    const replies = await this.#pipeline(calls, 'EVALSHA');
    // A server that does not know a script (restarted, failed over, flushed) is given its text.
    const unknown = calls.filter((_, i) => isNoScript(replies[i]));
    const again = unknown.length === 0 ? [] : await this.#pipeline(unknown, 'EVAL');
    calls.forEach((pending, i) => {
      const at = unknown.indexOf(pending);
      pending.settle((at < 0 ? replies[i] : again[at]) ?? { ok: false, reason: 'error' });
    });
  }

  async #pipeline(calls: readonly Pending[], command: 'EVAL' | 'EVALSHA'): Promise<Reply<unknown>[]> {
    const pass = this.#link.breaker.enter(calls.length);
    if (pass === null) return calls.map(() => REFUSED);
    const pipeline = this.#link.client.pipeline();
    const places: number[] = [];
    let sent = 0;
    for (const pending of calls) {
      pending.pass = pass;
      const { call } = pending;
      if (call.asking === true) {
        pipeline.call('ASKING');
        sent += 1;
      }
      places.push(sent);
      sent += 1;
      const name = command === 'EVAL' ? call.script.lua : call.script.sha1;
      pipeline.callBuffer(command, name, call.keys.length, ...call.keys, ...call.args);
    }
    try {
      const results = await pipeline.exec();
      // The first that says that the server cannot serve says so for all of them.
      const failure = results?.find(([error]) => error !== null && !isAnswer(error));
      if (failure === undefined) pass.answered();
      else pass.failed(failure[0]);
      return (results === null ? [] : places.map((at) => results[at] ?? NO_RESULT)).map(([error, value]) =>
        error === null ? { ok: true, value } : failed(error),
      );
    } catch (thrown) {
      pass.failed(thrown);
      const reply = failed(thrown);
      return calls.map(() => reply);
    }
  }
}

/** Runs one script by itself, among other commands of a connection, whose order it keeps unless the server does not know it. Its replies' strings come as Buffers. */
export async function callScript(client: Redis, { script, keys, args }: ScriptCall): Promise<unknown> {
  const run = (command: string, name: string): Promise<unknown> => client.callBuffer(command, name, keys.length, ...keys, ...args);
  try {
    return await run('EVALSHA', script.sha1);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return run('EVAL', script.lua);
    throw error;
  }
}

function failed(thrown: unknown): Reply<never> {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return { ok: false, reason: 'error', error };
}

function isNoScript(reply: Reply<unknown> | undefined): boolean {
  return reply?.ok === false && reply.error?.message.startsWith('NOSCRIPT') === true;
}
