import { Presets, SingleBar } from 'cli-progress';
import type { Shell } from './shell.ts';

/** How far a walk over files is. */
export interface Count {
  /** Files looked at. */
  readonly files: number;
  /** Files expected; `null` when nobody knows yet. */
  readonly total: number | null;
}

export interface Progress {
  update(count: Count): void;
  /** Ends the display; more updates show nothing. Idempotent. */
  end(): void;
}

/** Without a terminal, a line this often. */
const LINE_EVERY_MS = 3000;

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
const perSecond = (files: number, ms: number): number => Math.round((files * 1000) / Math.max(ms, 1));

/** `1234 files, 5678/s, 0.2 s` */
export function describeCount(files: number, elapsedMs: number): string {
  return `${files} files, ${perSecond(files, elapsedMs)}/s, ${seconds(elapsedMs)}`;
}

/** A bar that moves in place for a person; now and then a line for a log. */
export function showProgress(shell: Shell, label: string, now: () => number = () => performance.now()): Progress {
  return shell.isTerminal ? bar(label, now) : lines(shell, label, now);
}

function bar(label: string, now: () => number): Progress {
  const startedAt = now();
  const format = `${label} {bar} {shown} {rate}/s {elapsed}`;
  // Ctrl-C is the shell's business: the bar must not end the process.
  const single = new SingleBar({ format, gracefulExit: false, etaBuffer: 1, linewrap: true, barsize: 24 }, Presets.shades_classic);
  const texts = ({ files, total }: Count): object => ({
    shown: total === null ? `${files} files` : `${files} of ${total} files`,
    rate: perSecond(files, now() - startedAt),
    elapsed: seconds(now() - startedAt),
  });
  single.start(1, 0, texts({ files: 0, total: null }));
  let ended = false;
  return {
    update: (count) => {
      if (ended) return;
      // Without a known end the bar stays empty: a full one would say that it is done.
      single.setTotal(count.total ?? 1);
      single.update(count.total === null ? 0 : count.files, texts(count));
    },
    end: () => {
      if (!ended) single.stop();
      ended = true;
    },
  };
}

function lines(shell: Shell, label: string, now: () => number): Progress {
  const startedAt = now();
  let lastAt = startedAt;
  let ended = false;
  return {
    update: ({ files, total }) => {
      if (ended || now() - lastAt < LINE_EVERY_MS) return;
      lastAt = now();
      shell.note(`${label}: ${describeCount(files, lastAt - startedAt)}${total === null ? '' : ` (of ${total})`}`);
    },
    end: () => {
      ended = true;
    },
  };
}
