/**
 * One Ctrl-C reaches a program several times: from the terminal, which signals its whole process group, and again from npm and from the script that
 * started it, which hand on what they got. Signals this close together are one.
 */
const SAME_REQUEST_MS = 500;

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Interrupts extends Disposable {
  /** Aborted by the first request to end. */
  readonly signal: AbortSignal;
  /** Adds something to end, without waiting, at the second. Returns how to take it off. */
  endAtOnce(end: () => void): () => void;
}

/** Turns the first signal into an orderly stop, and the second into an immediate one. */
export function listenForInterrupts(exit: () => void, now: () => number = () => performance.now()): Interrupts {
  const controller = new AbortController();
  const ends = new Set<() => void>();
  let firstAt: number | null = null;
  const onSignal = (): void => {
    if (firstAt === null) {
      firstAt = now();
      controller.abort();
    } else if (now() - firstAt > SAME_REQUEST_MS) {
      for (const end of ends) end();
      exit();
    }
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    endAtOnce: (end) => {
      ends.add(end);
      return () => ends.delete(end);
    },
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.removeListener(name, onSignal);
    },
  };
}
