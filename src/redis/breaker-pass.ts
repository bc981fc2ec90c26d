import type { Clock } from '../core/clock.ts';
import type { TripWatch } from './trip-watch.ts';

/** A call that the breaker let pass, or several that travel together. Tells how it ended; the first word counts. */
export interface Pass {
  /** Some of what travels together was answered: slow is not silent. */
  heard(): void;
  /** The server answered, be it with an error that is about the call. */
  answered(): void;
  /** What was thrown: an error reply that says that the server cannot serve, or a connection that was lost. Other error replies are answers. */
  failed(error: unknown): void;
  /** Whoever called does not wait any longer. */
  late(): void;
}

export interface PassParts {
  readonly clock: Clock;
  readonly watch: TripWatch;
  readonly fairMs: number;
  /** The breaker has to open. */
  readonly trip: (reason: string) => void;
}

/**
 * Error replies by which a server says that it serves nobody, or takes no writes. Redis 6 puts those of commands inside of scripts behind a minus, in the middle of the text.
 */
const CANNOT_SERVE = /(?:^|-)(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY) /;
/** Error replies begin with a word in capitals; what the client says of its connection does not. */
const ERROR_REPLY = /^[A-Z]{3,} /;

/** Whether the server itself answered, and is able to serve. */
export function isAnswer(error: unknown): boolean {
  const text = textOf(error);
  return ERROR_REPLY.test(text) && !CANNOT_SERVE.test(text);
}

export function textOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).slice(0, 200);
}

/** Makes the pass of a call that is sent now. */
export function openPass({ clock, watch, fairMs, trip }: PassParts): Pass {
  const sentAt = clock.now();
  let ended = false;
  let isLate = false;
  const end = (note: () => string | null): void => {
    if (ended) return;
    ended = true;
    const reason = note();
    if (reason !== null) trip(reason);
  };
  const answered = (): void =>
    end(() => {
      watch.answered(clock.now());
      return null;
    });
  // The answer may lie in the socket already, unread since this process did not get to it: it is handled before this turn ends.
  const timedOut = (): void => clock.endOfTurn(() => end(() => watch.timedOut(clock.now(), sentAt)));
  return {
    heard: () => watch.heard(),
    answered,
    failed: (error) => (isAnswer(error) ? answered() : end(() => watch.failed(clock.now(), textOf(error)))),
    late: () => {
      if (ended || isLate) return;
      isLate = true;
      const leftMs = sentAt + fairMs - clock.now();
      // A caller that had hardly any time left says nothing of the server.
      if (leftMs > 0) clock.schedule(leftMs, timedOut);
      else timedOut();
    },
  };
}
