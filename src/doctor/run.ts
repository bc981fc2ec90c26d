import type { Clock } from '../core/clock.ts';
import { systemClock } from '../core/clock.ts';
import { systemChance } from '../core/random.ts';
import type { Check, DoctorLimits, DoctorTargets, Outcome, World } from './check.ts';
import { DEFAULT_LIMITS } from './check.ts';
import { CHECKS } from './checks.ts';
import type { CheckReport, CheckStatus, DoctorReport } from './report.ts';
import { reportOn } from './report.ts';

export interface DoctorOptions {
  /** Leave out the checks that write. @defaultValue false */
  readonly dryRun?: boolean;
  /** Ends it early; what it wrote is removed before it resolves. */
  readonly signal?: AbortSignal;
  /** Told of each check as it ends, with the number of those done and of all. */
  readonly onCheck?: (check: CheckReport, done: number, total: number) => void;
  readonly limits?: Partial<DoctorLimits>;
  readonly clock?: Clock;
}

/** A check that was given up may have to put something away; that is waited for so long, in ms. */
const TIDY_MS = 4_000;

/** Makes one check after the other. Never rejects: what fails is a finding, and what hangs is given up. */
export async function runChecks(targets: DoctorTargets, options: DoctorOptions = {}): Promise<DoctorReport> {
  const { dryRun = false, onCheck = () => {}, clock = systemClock } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const world: World = {
    targets,
    settings: targets.settings,
    limits,
    clock,
    chance: systemChance,
    dryRun,
    database: null,
    redisServer: null,
    redis: null,
    foreignHistory: [],
    rate: null,
    loop: null,
    closing: [],
  };
  const startedAt = clock.now();
  const stop = options.signal ?? new AbortController().signal;
  const runner = new Runner(world, stop, startedAt + limits.totalMs);
  const checks: CheckReport[] = [];
  for (const check of CHECKS) {
    if (stop.aborted) break;
    const report = await runner.make(check);
    if (stop.aborted) break;
    checks.push(report);
    onCheck(report, checks.length, CHECKS.length);
  }
  await runner.tidy();
  return reportOn(checks, { dryRun, stopped: stop.aborted, tookMs: Math.round(clock.now() - startedAt) });
}

class Runner {
  readonly #world: World;
  readonly #stop: AbortSignal;
  readonly #endAt: number;
  /** Names of checks on which nothing can be built. */
  readonly #blocked = new Set<string>();
  /** What still runs of checks that were given up. */
  readonly #left = new Set<Promise<unknown>>();

  constructor(world: World, stop: AbortSignal, endAt: number) {
    this.#world = world;
    this.#stop = stop;
    this.#endAt = endAt;
  }

  async make(check: Check): Promise<CheckReport> {
    const { clock, dryRun } = this.#world;
    const from = clock.now();
    const report = (status: CheckStatus, said: string, findings: CheckReport['findings'] = []): CheckReport => ({
      check: check.name,
      group: check.name.split('.', 1)[0] as CheckReport['group'],
      status,
      said,
      findings,
      tookMs: Math.round(clock.now() - from),
    });
    const missing = check.needs?.find((name) => this.#blocked.has(name));
    if (missing !== undefined) {
      this.#blocked.add(check.name);
      return report('skipped', `${missing} has to be right first`);
    }
    if (dryRun && check.writes === true) {
      this.#blocked.add(check.name);
      return report('skipped', 'it writes, and this is a dry run');
    }
    if (from >= this.#endAt) return report('skipped', 'the time for all checks was over');
    const outcome = await this.#limited(check);
    if (outcome.status === 'skipped') return report('skipped', outcome.said);
    const findings = (outcome.findings ?? []).map(({ severity, what, why = check.why, mend }) => ({ severity, what, why, mend }));
    const hasError = findings.some(({ severity }) => severity === 'error');
    if (outcome.blocks ?? hasError) this.#blocked.add(check.name);
    return report(hasError ? 'error' : findings.length > 0 ? 'warning' : 'ok', outcome.said, findings);
  }

  /** Runs it for as long as it may, and tells it when that is over. */
  async #limited(check: Check): Promise<Outcome> {
    const { clock, limits } = this.#world;
    const limitMs = Math.min(check.limitMs?.(limits) ?? limits.checkMs, this.#endAt - clock.now());
    const over = new AbortController();
    const late = Promise.withResolvers<Outcome>();
    const failed = (what: string): Outcome => ({
      status: 'done',
      said: 'it could not be made',
      findings: [{ severity: 'error', what, mend: check.mendsFor?.(what, this.#world) ?? check.mends }],
    });
    const end = (reason: Error, outcome: Outcome): void => {
      over.abort(reason);
      late.resolve(outcome);
    };
    const timer = clock.schedule(limitMs, () => {
      const what = `the check did not end within ${Math.round(limitMs)} ms`;
      end(new Error(what), failed(what));
    });
    const stopped = (): void => end(new Error('told to stop'), { status: 'skipped', said: 'told to stop' });
    this.#stop.addEventListener('abort', stopped, { once: true });
    const running = check.run(this.#world, over.signal).catch((error: unknown) => failed(messageOf(error)));
    const left = running.finally(() => this.#left.delete(left));
    this.#left.add(left);
    try {
      return await Promise.race([running, late.promise]);
    } finally {
      timer.cancel();
      this.#stop.removeEventListener('abort', stopped);
    }
  }

  /** Waits for what was given up to put things away, and closes what was opened. */
  async tidy(): Promise<void> {
    const { closing, clock } = this.#world;
    const within = async (work: Promise<unknown>): Promise<void> => {
      const late = Promise.withResolvers<void>();
      const timer = clock.schedule(TIDY_MS, late.resolve);
      await Promise.race([work.catch(() => {}), late.promise]);
      timer.cancel();
    };
    await within(Promise.all(this.#left));
    for (let close = closing.pop(); close !== undefined; close = closing.pop()) {
      const now = close;
      await within(Promise.resolve().then(now));
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}
