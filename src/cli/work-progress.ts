import { Presets, SingleBar } from 'cli-progress';
import type { Shell } from './shell.ts';

/** How far a work is that the service does. */
export interface WorkDone {
  readonly done: number;
  /** Share of the way, from 0 to 1; `null` while nobody knows. */
  readonly share: number | null;
  /** What there is to say besides, such as `12 failed`. */
  readonly note?: string;
}

export interface WorkProgress {
  update(work: WorkDone): void;
  /** Ends the display; more updates show nothing. Idempotent. */
  end(): void;
}

/** Without a terminal, a line this often. */
const LINE_EVERY_MS = 3000;

/** `1 h 2 min`, `2 min 3 s`, `4 s` */
export function inWords(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (ms < 950) return `${Math.max(1, Math.round(ms))} ms`;
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** `1234 entries, 567/s, 3 s left` */
function describeWork({ done, share, note }: WorkDone, unit: string, elapsedMs: number): string {
  const rate = `${Math.round((done * 1000) / Math.max(elapsedMs, 1))}/s`;
  const left = share === null || share <= 0 || share >= 1 ? [] : [`${inWords((elapsedMs * (1 - share)) / share)} left`];
  return [`${done} ${unit}`, rate, ...left, ...(note === undefined ? [] : [note])].join(', ');
}

/** A bar that moves in place for a person, with the rate and the time left; now and then a line for a log. */
export function showWork(shell: Shell, label: string, unit: string, now: () => number = () => performance.now()): WorkProgress {
  const startedAt = now();
  const text = (work: WorkDone): string => describeWork(work, unit, now() - startedAt);
  return shell.isTerminal ? bar(label, text) : lines(shell, label, text, now);
}

function bar(label: string, text: (work: WorkDone) => string): WorkProgress {
  // Ctrl-C is the shell's business: the bar must not end the process.
  const single = new SingleBar(
    { format: `${label} {bar} {text}`, gracefulExit: false, linewrap: true, barsize: 24 },
    Presets.shades_classic,
  );
  let state: 'none' | 'shown' | 'ended' = 'none';
  return {
    update: (work) => {
      if (state === 'ended') return;
      if (state === 'none') single.start(1, 0, { text: '' });
      state = 'shown';
      // Without a known end the bar stays empty: a full one would say that it is done.
      single.update(work.share ?? 0, { text: text(work) });
    },
    end: () => {
      if (state === 'shown') single.stop();
      state = 'ended';
    },
  };
}

function lines(shell: Shell, label: string, text: (work: WorkDone) => string, now: () => number): WorkProgress {
  let lastAt = now();
  let ended = false;
  return {
    update: (work) => {
      if (ended || now() - lastAt < LINE_EVERY_MS) return;
      lastAt = now();
      shell.note(`${label}: ${text(work)}`);
    },
    end: () => {
      ended = true;
    },
  };
}
