import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Chance } from '../core/random.ts';
import type { Alert } from './alert.ts';
import type { WebhookTarget } from './options.ts';
import type { TryOutcome } from './webhook-try.ts';
import { tryOnce } from './webhook-try.ts';

export interface WebhookOptions {
  readonly target: WebhookTarget;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly chance: Chance;
}

/** Messages that wait, at most. Each alert makes some sixteen an hour when it does nothing but come and go. */
const MAX_QUEUED = 100;
/** A receiver that takes longer to say that it has a message is not well. */
const TRY_MS = 5_000;
/** First pause between tries, in ms; doubles up to the longest. Each pause is drawn from 0 to that (full jitter): a fleet that saw one failure does not return as one. */
const PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** A receiver that asks for more is asked again then, all the same. */
const MAX_RETRY_AFTER_MS = 300_000;
/** Tries of one message: about 7 minutes, then the next one has its turn. */
const MAX_TRIES = 20;
/** Longest that closing waits for what is queued. */
const DRAIN_MS = 2_000;

interface Queued {
  readonly alert: Alert;
  /** Its end has come to be told, which says everything that this says. */
  superseded: boolean;
}

/**
 * Posts alerts to a receiver, in order, one at a time, each until it is taken, refused or given up.
 *
 * What is queued is bounded in two ways. A resolved alert supersedes its firing one that was not delivered yet, since it has all that the other has and the time of its end: a receiver that was away hears of each episode once. It does not supersede
 * older episodes, each of which is told. Beyond 100 messages the oldest is dropped. What was dropped or given up is counted, and the next message that is delivered says how many: `undelivered`.
 */
export class Webhook {
  readonly #o: WebhookOptions;
  readonly #queue: Queued[] = [];
  #running: Promise<void> | null = null;
  /** Tries that failed since the last one that did not. */
  #failures = 0;
  #isFailing = false;
  #undelivered = 0;
  #closing: Promise<void> | null = null;
  #isDrainOver = false;
  #endTry: (() => void) | null = null;
  #endPause: (() => void) | null = null;
  /** Messages by what became of them, and tries that failed. */
  readonly counts = { delivered: 0, superseded: 0, refused: 0, givenUp: 0, dropped: 0, failedTries: 0 };

  constructor(options: WebhookOptions) {
    this.#o = options;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Queues a message; says nothing of when it arrives. After `close` it is dropped. */
  send(alert: Alert): void {
    if (this.#closing !== null) {
      this.counts.dropped += 1;
      return;
    }
    if (alert.state === 'resolved') this.#supersede(alert.episode);
    this.#queue.push({ alert, superseded: false });
    if (this.#queue.length > MAX_QUEUED) {
      // The first is under way.
      this.#queue.splice(1, 1);
      this.#lost('dropped');
    }
    this.#running ??= this.#run();
  }

  /** Gives each message that waits one more try, for two seconds at most, and takes no new ones. Idempotent. */
  close(): Promise<void> {
    return (this.#closing ??= this.#drain());
  }

  async #drain(): Promise<void> {
    this.#endPause?.();
    const timer = this.#o.clock.schedule(DRAIN_MS, () => {
      this.#isDrainOver = true;
      this.#endTry?.();
    });
    await this.#running;
    timer.cancel();
  }

  #supersede(episode: string): void {
    const index = this.#queue.findIndex(({ alert }) => alert.episode === episode);
    const found = this.#queue[index];
    if (found === undefined) return;
    if (index > 0) {
      this.#queue.splice(index, 1);
      this.counts.superseded += 1;
      return;
    }
    // A try may be under way, and succeed; if it does not, there is no other.
    found.superseded = true;
  }

  async #run(): Promise<void> {
    for (let head = this.#queue[0]; head !== undefined; head = this.#queue[0]) {
      await this.#deliver(head);
      this.#queue.shift();
    }
    this.#running = null;
  }

  async #deliver(queued: Queued): Promise<void> {
    const told = this.#undelivered;
    const body = JSON.stringify({ ...queued.alert, undelivered: told });
    for (let triesLeft = MAX_TRIES; triesLeft > 0; triesLeft -= 1) {
      if (this.#isDrainOver) break;
      const outcome = await this.#try(body, queued.alert.id);
      this.#note(outcome);
      if (outcome.kind === 'delivered') {
        this.#undelivered -= told;
        this.counts.delivered += 1;
        return;
      }
      if (outcome.kind === 'refused') return this.#lost('refused');
      if (this.#closing !== null) break;
      // Also before the next message: it is the receiver that is given time.
      await this.#pause(outcome.retryAfterMs);
      if (queued.superseded) {
        this.counts.superseded += 1;
        return;
      }
    }
    this.#lost('givenUp');
  }

  async #try(body: string, id: string): Promise<TryOutcome> {
    const { clock, target } = this.#o;
    const controller = new AbortController();
    this.#endTry = () => controller.abort();
    const timer = clock.schedule(TRY_MS, this.#endTry);
    const outcome = await tryOnce(body, id, target, clock, controller.signal);
    timer.cancel();
    this.#endTry = null;
    return outcome;
  }

  /** Closing ends it. */
  async #pause(retryAfterMs: number | null): Promise<void> {
    const { clock, chance } = this.#o;
    const jitteredMs = chance.random() * Math.min(MAX_PAUSE_MS, PAUSE_MS * 2 ** (this.#failures - 1));
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.schedule(Math.max(jitteredMs, Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)), resolve);
    this.#endPause = resolve;
    await promise;
    timer.cancel();
    this.#endPause = null;
  }

  #lost(how: 'dropped' | 'refused' | 'givenUp'): void {
    this.counts[how] += 1;
    this.#undelivered += 1;
  }

  /** One line when the receiver stops to take alerts, and one when it takes them again. */
  #note(outcome: TryOutcome): void {
    const { logger } = this.#o;
    const isFailing = outcome.kind !== 'delivered';
    this.#failures = outcome.kind === 'failed' ? this.#failures + 1 : 0;
    if (isFailing) this.counts.failedTries += 1;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    if (outcome.kind === 'delivered') logger.info({ undelivered: this.#undelivered }, 'the webhook takes alerts again');
    else logger.warn({ reason: outcome.reason }, 'the webhook does not take alerts; the log has them all');
  }
}
