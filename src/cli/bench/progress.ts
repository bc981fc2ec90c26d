import { Presets, SingleBar } from 'cli-progress';
import type { Shell } from '../shell.ts';

/** Without a terminal a line this often, in ms. */
const LINE_EVERY_MS = 3_000;

export interface Stage {
  /** `total`: `null` when nobody knows. `words`: what else there is to say. */
  update(done: number, total: number | null, words: string): void;
  end(): void;
}

/** Shows how far something is and how long it will take: in place for a person, now and then a line for a log. With `quiet` not at all. */
export function showStage(shell: Shell, label: string, quiet: boolean): Stage {
  if (quiet) return { update: () => {}, end: () => {} };
  return shell.isTerminal ? bar(label) : lines(shell, label);
}

const left = (done: number, total: number | null, sinceMs: number): string =>
  total === null || done <= 0 ? '' : `${Math.max(0, ((total - done) * sinceMs) / done / 1000).toFixed(0)} s left`;

function bar(label: string): Stage {
  const startedAt = performance.now();
  const single = new SingleBar(
    { format: `${label} {bar} {words} {left}`, gracefulExit: false, linewrap: true, barsize: 24 },
    Presets.shades_classic,
  );
  single.start(1, 0, { words: '', left: '' });
  return {
    update: (done, total, words) => {
      single.setTotal(total ?? 1);
      single.update(total === null ? 0 : Math.min(done, total), { words, left: left(done, total, performance.now() - startedAt) });
    },
    end: () => single.stop(),
  };
}

function lines(shell: Shell, label: string): Stage {
  const startedAt = performance.now();
  let lastAt = startedAt;
  return {
    update: (done, total, words) => {
      const now = performance.now();
      if (now - lastAt < LINE_EVERY_MS) return;
      lastAt = now;
      shell.note([`${label}: ${words}`, left(done, total, now - startedAt)].filter((text) => text !== '').join(', '));
    },
    end: () => {},
  };
}
