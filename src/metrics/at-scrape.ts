import type { Registry } from 'prom-client';
import { Counter, Gauge } from 'prom-client';

/** One number with its labels. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

interface Named {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** A number without labels. */
export const one = (value: number): Sample[] => [[{}, value]];

/** A counter whose numbers are counted elsewhere, in plain integers, and read at the scrape. */
export function counterAtScrape(registry: Registry, { name, help, labels = [] }: Named, read: () => readonly Sample[]): void {
  const counter = new Counter({
    name,
    help,
    registers: [registry],
    labelNames: labels,
    collect() {
      this.reset();
      for (const [sampleLabels, value] of read()) this.inc(sampleLabels, value);
    },
  });
  void counter;
}

/** A gauge that is read at the scrape; absent from it when the reading fails. */
export function gaugeAtScrape(
  registry: Registry,
  { name, help, labels = [] }: Named,
  read: () => readonly Sample[] | Promise<readonly Sample[]>,
): void {
  const gauge = new Gauge({
    name,
    help,
    registers: [registry],
    labelNames: labels,
    async collect() {
      try {
        for (const [sampleLabels, value] of await read()) this.set(sampleLabels, value);
      } catch {
        this.remove();
      }
    },
  });
  void gauge;
}
