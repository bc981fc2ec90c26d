import type { Clock } from '../../core/clock.ts';
import { ForebayError } from '../../core/errors.ts';
import { formatDuration } from '../../core/duration.ts';
import { buildReport } from './build.ts';
import type { EfficiencyReport } from './efficiency-report.ts';
import { HISTORY, ReportHistory } from './history.ts';
import type { ReportSnapshot, ReportSources } from './snapshot.ts';

const LEAST_PERIOD_MS = 1000;

export interface ReportOptions {
  /** Of how long, up to now, in ms; 1,000 to 86,400,000. @defaultValue all since the start */
  readonly periodMs?: number;
}

/** Makes reports of what caches did. Keeps snapshots in the background until it is closed. */
export class Reporter {
  readonly #history: ReportHistory;
  readonly #startedAt: { readonly now: number; readonly at: number };

  constructor(sources: ReportSources, clock: Clock, onSnapshot?: (snapshot: ReportSnapshot) => void) {
    this.#startedAt = { now: clock.now(), at: clock.wallNow() };
    this.#history = new ReportHistory(sources, clock, onSnapshot);
  }

  /** @throws {ForebayError} `INPUT_INVALID` */
  report({ periodMs }: ReportOptions = {}): EfficiencyReport {
    if (periodMs !== undefined && !(periodMs >= LEAST_PERIOD_MS && periodMs <= HISTORY.longestMs)) {
      const [least, most] = [LEAST_PERIOD_MS, HISTORY.longestMs].map(formatDuration);
      throw new ForebayError('INPUT_INVALID', `period = ${String(periodMs)} ms: has to be from ${least} to ${most}`, { field: 'period' });
    }
    const asked = periodMs ?? null;
    return buildReport(this.#history.before(asked), this.#history.take(), { periodMs: asked, startedAt: this.#startedAt });
  }

  close(): void {
    this.#history.close();
  }
}
