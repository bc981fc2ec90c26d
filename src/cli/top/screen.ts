import { writeSync } from 'node:fs';

const ESC = '\u001b[';
/** What these keys send while the terminal is ours. */
const CTRL_C = '\u0003';
const CTRL_Z = '\u001a';
/** The alternate screen, without a cursor, and lines that are too long do not go on below: whatever a terminal makes of a character's width, the frame stays in its lines. */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`;
const LEAVE = `${ESC}0m${ESC}?7h${ESC}?25h${ESC}?1049l`;
/** A terminal that takes no more (a slow line) is not given frames until it has what was sent before. */
const MAX_UNSENT_BYTES = 64 * 1024;
/** What terminals say that do not say how large they are. */
const DEFAULT = { columns: 80, rows: 24 };

export interface ScreenOptions {
  /** A key was pressed: `q`, or Ctrl-C, which reaches a terminal in this mode as a key. */
  readonly onEnd: () => void;
  readonly onResize: () => void;
}

/** The whole terminal, until it is disposed; given back too when the process ends in any way that it can notice. */
export class Screen implements Disposable {
  readonly #options: ScreenOptions;
  #open = false;
  #disposed = false;

  constructor(options: ScreenOptions) {
    this.#options = options;
    process.on('exit', this.#leave);
    // Before the crash is told, so that it is told on the screen that stays.
    process.on('uncaughtExceptionMonitor', this.#leave);
    process.on('SIGCONT', this.#goOn);
    process.stdout.on('resize', this.#resized);
    if (process.stdin.isTTY) process.stdin.on('data', this.#typed);
    this.#enter();
  }

  get size(): { readonly columns: number; readonly rows: number } {
    const { columns, rows } = process.stdout;
    return columns > 0 && rows > 0 ? { columns, rows } : DEFAULT;
  }

  /** Draws over what is there, each line cleared to its end, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    if (!this.#open || process.stdout.writableLength > MAX_UNSENT_BYTES) return;
    const { rows } = this.size;
    const shown = lines.slice(0, rows).map((line) => `${line}${ESC}K`);
    process.stdout.write(`${ESC}H${shown.join('\r\n')}${ESC}J`);
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#leave();
    process.off('exit', this.#leave);
    process.off('uncaughtExceptionMonitor', this.#leave);
    process.off('SIGCONT', this.#goOn);
    process.stdout.off('resize', this.#resized);
    process.stdin.off('data', this.#typed);
    process.stdin.pause();
  }

  #enter(): void {
    if (process.stdin.isTTY) process.stdin.setRawMode(true).resume();
    this.#open = true;
    process.stdout.write(ENTER);
  }

  /** Synchronous, for a process at its end. Idempotent. */
  readonly #leave = (): void => {
    if (!this.#open) return;
    this.#open = false;
    try {
      if (process.stdin.isTTY) process.stdin.setRawMode(false);
      writeSync(process.stdout.fd, LEAVE);
    } catch {
      // The terminal was closed, or takes nothing: there is nobody to give it back to.
    }
  };

  readonly #goOn = (): void => {
    if (this.#disposed) return;
    this.#enter();
    this.#options.onResize();
  };

  readonly #resized = (): void => {
    if (this.#open) process.stdout.write(`${ESC}2J`);
    this.#options.onResize();
  };

  readonly #typed = (typed: Buffer): void => {
    const keys = typed.toString('latin1');
    // An escape begins what a key such as an arrow sends: letters in it are not typed ones.
    if (keys.startsWith(ESC[0] ?? '')) return;
    if (['q', 'Q', CTRL_C].some((key) => keys.includes(key))) this.#options.onEnd();
    else if (keys.includes(CTRL_Z)) {
      this.#leave();
      process.kill(process.pid, 'SIGSTOP');
    }
  };
}
