import type { Clock, Timer } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { Chance } from '../core/random.ts';
import type { Alert, AlertName, AlertRule } from './alert.ts';
import { alertRules, roundedDuration } from './alert.ts';
import type { AlertState, Episode } from './alert-state.ts';
import { AlertTracker } from './alert-state.ts';
import type { AlertSources } from './facts.ts';
import { FactReader } from './facts.ts';
import type { AlertFacts } from './facts.ts';
import type { AlertThresholds } from './options.ts';

export interface AlertsOptions {
  readonly sources: AlertSources;
  readonly thresholds: AlertThresholds;
  readonly instance: string;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly chance: Chance;
  /** Told each change, after the log. What it throws is logged and goes no further. */
  readonly tell: (alert: Alert) => void;
}

interface Watched {
  readonly rule: AlertRule;
  readonly tracker: AlertTracker;
  readonly counts: { firing: number; resolved: number };
}

/** Soon enough for times of seconds, and a few dozen comparisons each. */
const EVERY_MS = 1_000;
/** A look that comes later than this was kept waiting: the process stood still, and saw nothing of the time between. */
const MAX_STEP_MS = 2 * EVERY_MS;

/**
 * Looks each second at what a human should know, and tells each change of it once: to the log, to `tell`, and in numbers.
 *
 * Time in which nobody looked counts for nothing: a process that stood still for a minute (SIGSTOP, a laptop's lid) finds everything old at its first look, and all in order at the next.
 */
export class Alerts {
  readonly #o: AlertsOptions;
  readonly #facts: FactReader;
  readonly #watched: readonly Watched[];
  #watchedMs = 0;
  #lookedAt: number;
  #timer: Timer | null = null;
  #closed = false;
  /** What was seen at the last look; `null` before the first. */
  facts: AlertFacts | null = null;

  constructor(options: AlertsOptions) {
    this.#o = options;
    this.#facts = new FactReader(options.sources, options.clock);
    this.#watched = alertRules.map((rule) => ({
      rule,
      tracker: new AlertTracker(() => options.chance.uniqueId()),
      counts: { firing: 0, resolved: 0 },
    }));
    this.#lookedAt = options.clock.now();
    this.#schedule();
  }

  get instance(): string {
    return this.#o.instance;
  }

  get thresholds(): AlertThresholds {
    return this.#o.thresholds;
  }

  /** What fires at this moment, with what was measured last. */
  firing(): readonly Alert[] {
    return this.#watched.flatMap(({ rule, tracker: { state } }) =>
      state.kind === 'firing' || state.kind === 'clearing' ? [this.#alert(rule, state)] : [],
    );
  }

  /** Messages since the start, and whether it fires now, by alert. */
  stats(): readonly { readonly name: AlertName; readonly isFiring: boolean; readonly firing: number; readonly resolved: number }[] {
    return this.#watched.map(({ rule: { name }, tracker: { state }, counts }) => ({
      name,
      isFiring: state.kind === 'firing' || state.kind === 'clearing',
      ...counts,
    }));
  }

  /** Looks no more. What fires is not told to be over: nobody knows. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(): void {
    this.#timer = this.#o.clock.schedule(EVERY_MS, () => {
      this.#look();
      if (!this.#closed) this.#schedule();
    });
  }

  #look(): void {
    const { clock, thresholds } = this.#o;
    const [now, wallNow] = [clock.now(), clock.wallNow()];
    this.#watchedMs += Math.min(now - this.#lookedAt, MAX_STEP_MS);
    this.#lookedAt = now;
    const facts = this.#facts.look();
    this.facts = facts;
    for (const watched of this.#watched) {
      const { rule, tracker } = watched;
      const measure = rule.measure(facts);
      const limit = rule.limit(thresholds) * (isOpen(tracker.state) ? rule.calmShare : 1);
      const look = { measure, isBad: measure !== null && measure > limit, watched: this.#watchedMs, now, wallNow };
      const told = tracker.step(look, {
        holdMs: rule.holdMs(thresholds),
        clearMs: rule.clearMs(thresholds),
        sums: rule.tells === 'sum',
      });
      if (told === 'firing') this.#tell(watched, tracker.state);
      else if (told !== null) this.#tell(watched, told.resolved, true);
    }
  }

  #tell({ rule, counts }: Watched, state: AlertState, isOver = false): void {
    if (state.kind !== 'firing' && state.kind !== 'clearing') return;
    const alert = this.#alert(rule, state, isOver);
    counts[alert.state] += 1;
    const { logger, tell } = this.#o;
    const { summary, ...fields } = alert;
    if (isOver) logger.info(fields, summary);
    else if (rule.severity === 'critical') logger.error(fields, summary);
    else logger.warn(fields, summary);
    try {
      tell(alert);
    } catch (error) {
      logger.error({ error, alert: rule.name }, 'what was to be done about an alert failed');
    }
  }

  #alert(rule: AlertRule, state: Extract<AlertState, { episode: Episode }>, isOver = false): Alert {
    const { thresholds, clock, instance } = this.#o;
    const { episode } = state;
    const lastedMs = (state.kind === 'clearing' ? state.endedNow : clock.now()) - episode.startedNow;
    const value = rule.tells === 'duration' ? lastedMs : episode.value;
    const threshold = rule.tells === 'duration' ? rule.holdMs(thresholds) : rule.limit(thresholds);
    const says = (number: number): string => (rule.unit === 'ms' ? roundedDuration(number) : String(number));
    const returned = episode.returns === 0 ? '' : ` It came back ${episode.returns} times meanwhile.`;
    const summary = isOver
      ? `${rule.over}, after ${roundedDuration(lastedMs)}.${returned}`
      : rule.firing(Number.isFinite(value) ? says(value) : null, says(threshold)) + returned;
    return Object.freeze({
      version: 1,
      id: `${episode.id}-${isOver ? 'resolved' : 'firing'}`,
      episode: episode.id,
      alert: rule.name,
      severity: rule.severity,
      state: isOver ? 'resolved' : 'firing',
      summary,
      value: Number.isFinite(value) ? Math.round(value) : null,
      threshold,
      unit: rule.unit,
      startedAt: new Date(episode.startedAt).toISOString(),
      resolvedAt: isOver && state.kind === 'clearing' ? new Date(state.endedAt).toISOString() : null,
      returns: episode.returns,
      instance,
    });
  }
}

const isOpen = ({ kind }: AlertState): boolean => kind === 'firing' || kind === 'clearing';
