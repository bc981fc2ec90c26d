import type { Registry } from 'prom-client';
import type { Alerts } from '../alerts/alerts.ts';
import type { Webhook } from '../alerts/webhook.ts';
import type { Sample } from './at-scrape.ts';
import { counterAtScrape, gaugeAtScrape, one } from './at-scrape.ts';

export interface AlertCounts {
  readonly alerts: Pick<Alerts, 'stats'>;
  /** `null` when none was asked for. */
  readonly webhook: Pick<Webhook, 'counts' | 'queued'> | null;
}

/** Registers what fires, and what became of the messages about it. */
export function registerAlertMetrics(registry: Registry, { alerts, webhook }: AlertCounts): void {
  const firing = { name: 'forebay_alert_firing', help: 'Whether an alert fires (1) or not (0).', labels: ['alert'] };
  gaugeAtScrape(registry, firing, () => alerts.stats().map(({ name, isFiring }): Sample => [{ alert: name }, Number(isFiring)]));
  const told = { name: 'forebay_alerts_total', help: 'Changes of alerts that were told.', labels: ['alert', 'state'] };
  counterAtScrape(registry, told, () =>
    alerts.stats().flatMap(({ name, firing, resolved }): Sample[] => [
      [{ alert: name, state: 'firing' }, firing],
      [{ alert: name, state: 'resolved' }, resolved],
    ]),
  );
  if (webhook === null) return;
  const messages = {
    name: 'forebay_alert_webhook_messages_total',
    help: 'Alerts for the webhook by what became of them: delivered; superseded by their end; refused by the receiver; given_up; dropped since too many waited, or on closing.',
    labels: ['outcome'],
  };
  counterAtScrape(registry, messages, () => {
    const { delivered, superseded, refused, givenUp, dropped } = webhook.counts;
    return Object.entries({ delivered, superseded, refused, given_up: givenUp, dropped }).map(([outcome, n]): Sample => [{ outcome }, n]);
  });
  const tries = { name: 'forebay_alert_webhook_tries_failed_total', help: 'Tries to deliver an alert that failed.' };
  counterAtScrape(registry, tries, () => one(webhook.counts.failedTries));
  gaugeAtScrape(registry, { name: 'forebay_alert_webhook_queued', help: 'Alerts that wait for the webhook.' }, () => one(webhook.queued));
}
