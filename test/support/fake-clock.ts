import type { Clock, Timer } from '../../src/core/clock.ts';

interface Waiting {
  readonly at: number;
  readonly run: () => void;
}

/** Turns of the event loop in one `settle` after which something is taken to call itself for ever. */
const MAX_TURNS = 10_000;

/**
 * A clock turned by hand: nothing happens until a test says so, and then in one order only.
 *
 * `advance` and `turn` are synchronous; `settle` and `pass` also let promises run, which is what most tests want.
 */
export class FakeClock implements Clock {
  #now: number;
  #wallNow: number;
  #timers: Waiting[] = [];
  #turn: (() => void)[] = [];

  constructor(now = 1000, wallNow = Date.UTC(2026, 0, 1)) {
    this.#now = now;
    this.#wallNow = wallNow;
  }

  readonly now = (): number => this.#now;

  readonly wallNow = (): number => this.#wallNow;

  readonly schedule = (delayMs: number, run: () => void): Timer => {
    const timer = { at: this.#now + Math.max(0, delayMs), run };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  };

  readonly endOfTurn = (run: () => void): void => {
    this.#turn.push(run);
  };

  /** Timers that wait: 0 when everything that was scheduled has run or was called off. */
  get timers(): number {
    return this.#timers.length;
  }

  /** Callbacks that wait for the end of the turn. */
  get pending(): number {
    return this.#turn.length;
  }

  /** Moves time on, running what falls due in order of time (of scheduling, where times are equal), each at its own time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (let next = this.#nextBy(end); next !== undefined; next = this.#nextBy(end)) this.#run(next);
    this.#moveTo(end);
  }

  /** Lets the wall clock jump, as one does that is set by hand or by NTP. */
  jumpWall(ms: number): void {
    this.#wallNow += ms;
  }

  /** Ends the turn: runs the callbacks that wait for it; those they add wait for the next. */
  turn(): void {
    const due = this.#turn;
    this.#turn = [];
    for (const run of due) run();
  }

  /** Lets promises run and ends turns until nothing is left to do. Time stands still. */
  async settle(): Promise<void> {
    await promisesRan();
    for (let turns = 0; this.#turn.length > 0; turns += 1) {
      if (turns === MAX_TURNS) throw new Error(`not settled after ${MAX_TURNS} turns`);
      this.turn();
      await promisesRan();
    }
  }

  /** As `advance`, settled before, after, and between any two timers: what a timer sets off happens before the next one. */
  async pass(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    for (let next = this.#nextBy(end); next !== undefined; next = this.#nextBy(end)) {
      this.#run(next);
      await this.settle();
    }
    this.#moveTo(end);
  }

  #nextBy(end: number): Waiting | undefined {
    let first: Waiting | undefined;
    for (const timer of this.#timers) if (timer.at <= end && (first === undefined || timer.at < first.at)) first = timer;
    return first;
  }

  #run(timer: Waiting): void {
    this.#timers = this.#timers.filter((other) => other !== timer);
    this.#moveTo(timer.at);
    timer.run();
  }

  #moveTo(at: number): void {
    const ms = Math.max(0, at - this.#now);
    this.#now += ms;
    this.#wallNow += ms;
  }
}

/** The event loop comes round only when no promise has anything left to do. */
function promisesRan(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
