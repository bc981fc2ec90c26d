import { Presets, SingleBar } from 'cli-progress';
import type { Shell } from './shell.ts';

/** Shows how far something is. */
export interface Progress {
  /** `share`: of the way, from 0 to 1; `null` while nobody knows. `words`: what is done, and how quickly. */
  update(share: number | null, words: string): void;
  /** Ends the display; more updates show nothing. Idempotent. */
  end(): void;
}

export interface ProgressOptions {
  /** Shows nothing. @defaultValue false */
  readonly quiet?: boolean;
  /** Monotonic ms. */
  readonly now?: () => number;
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

/** `567/s` */
export const perSecond = (done: number, ms: number): string => `${Math.round((done * 1000) / Math.max(ms, 1))}/s`;

/** A bar that moves in place for a person, with the time left; now and then a line for a log. */
export function showProgress(shell: Shell, label: string, options: ProgressOptions = {}): Progress {
  const { quiet = false, now = (): number => performance.now() } = options;
  if (quiet) return { update: () => {}, end: () => {} };
  const startedAt = now();
  const text = (share: number | null, words: string): string => {
    const left = share === null || share <= 0 || share >= 1 ? '' : `, ${inWords(((now() - startedAt) * (1 - share)) / share)} left`;
    return words + left;
  };
  return shell.isTerminal ? bar(label, text) : lines(shell, label, text, now);
}

type TextOf = (share: number | null, words: string) => string;

function bar(label: string, text: TextOf): Progress {
  // Ctrl-C is the shell's business: the bar must not end the process.
  const single = new SingleBar(
    { format: `${label} {bar} {text}`, gracefulExit: false, linewrap: true, barsize: 24 },
    Presets.shades_classic,
  );
  let state: 'none' | 'shown' | 'ended' = 'none';
  return {
    update: (share, words) => {
      if (state === 'ended') return;
      if (state === 'none') single.start(1, 0, { text: '' });
      state = 'shown';
      // Without a known end the bar stays empty: a full one would say that it is done.
      single.update(Math.min(1, share ?? 0), { text: text(share, words) });
    },
    end: () => {
      if (state === 'shown') single.stop();
      state = 'ended';
    },
  };
}

function lines(shell: Shell, label: string, text: TextOf, now: () => number): Progress {
  let lastAt = now();
  let ended = false;
  return {
    update: (share, words) => {
      if (ended || now() - lastAt < LINE_EVERY_MS) return;
      lastAt = now();
      shell.note(`${label}: ${text(share, words)}`);
    },
    end: () => {
      ended = true;
    },
  };
}

/** How far a work on things of one kind is. */
export interface WorkDone {
  readonly done: number;
  /** As in `Progress`. */
  readonly share: number | null;
  /** What there is to say besides, such as `12 failed`. */
  readonly note?: string;
}

export interface WorkProgress {
  update(work: WorkDone): void;
  end(): void;
}

/** The same for things that are counted: `1234 entries, 567/s, 3 s left`. */
export function showWork(shell: Shell, label: string, unit: string): WorkProgress {
  const startedAt = performance.now();
  const progress = showProgress(shell, label);
  return {
    update: ({ done, share, note }) => {
      const words = [`${done} ${unit}`, perSecond(done, performance.now() - startedAt), ...(note === undefined ? [] : [note])];
      progress.update(share, words.join(', '));
    },
    end: () => progress.end(),
  };
}
