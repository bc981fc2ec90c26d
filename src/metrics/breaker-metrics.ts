import type { Registry } from 'prom-client';
import type { BreakerControl, BreakerState } from '../cache/breaker-types.ts';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, gaugeAtScrape, one } from './at-scrape.ts';

const LABELS: readonly (readonly [state: BreakerState, label: string])[] = [
  ['closed', 'closed'],
  ['open', 'open'],
  ['half-open', 'half_open'],
  ['isolated', 'isolated'],
];

/** Registers what the breaker of Redis does. */
export function registerBreakerMetrics(registry: Registry, breaker: BreakerControl): void {
  gaugeAtScrape(
    registry,
    { name: 'forebay_breaker_state', help: 'The state that the breaker of Redis is in (1); closed = calls pass.', labels: ['state'] },
    () => LABELS.map(([state, label]): Sample => [{ state: label }, breaker.state === state ? 1 : 0]),
  );
  counterAtScrape(
    registry,
    { name: 'forebay_breaker_transitions_total', help: 'Changes of state of the breaker of Redis, by where they led.', labels: ['to'] },
    () => LABELS.map(([state, label]): Sample => [{ to: label }, breaker.counts.transitions[state]]),
  );
  counterAtScrape(
    registry,
    { name: 'forebay_breaker_refused_total', help: 'Calls of Redis that were not made, since its breaker let none pass.' },
    () => one(breaker.counts.refused),
  );
}
