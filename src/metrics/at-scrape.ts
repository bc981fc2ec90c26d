import type { Registry } from 'prom-client';
import { Counter, Gauge, Histogram } from 'prom-client';
import type { HistogramSnapshot } from '../cache/latency.ts';
import { systemClock } from '../core/clock.ts';

/** One number with its labels. */
export type Sample = readonly [labels: Readonly<Record<string, string>>, value: number];

interface Named {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

/** A number without labels. */
export const one = (value: number): Sample[] => [[{}, value]];

/** Prometheus gives up after ten seconds by default, and people sooner: what is not known by then is left out. */
const LIMIT_MS = 900;

/** Reads something once for all metrics of one scrape. */
export function oncePerScrape<T>(read: () => T): () => T {
  let kept: { readonly value: T } | null = null;
  return () => {
    if (kept === null) {
      kept = { value: read() };
      // All metrics of a registry are asked in one go.
      queueMicrotask(() => (kept = null));
    }
    return kept.value;
  };
}

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

/** A gauge that is read at the scrape; absent from it when the reading fails, or takes too long. */
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
      const samples = await within(LIMIT_MS, async () => read()).catch(() => []);
      // With labels `reset` forgets them all; without, it would leave a 0 that nobody measured.
      if (labels.length > 0) this.reset();
      else this.remove();
      for (const [sampleLabels, value] of samples) this.set(sampleLabels, value);
    },
  });
  void gauge;
}

async function within<T>(limitMs: number, read: () => Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = systemClock.schedule(limitMs, () => late.reject(new Error(`not known within ${limitMs} ms`)));
  try {
    return await Promise.race([read(), late.promise]);
  } finally {
    timer.cancel();
  }
}

export interface HistogramOptions extends Named {
  /** Upper bounds to show; each has to be a bound of the snapshots. */
  readonly bounds: readonly number[];
  /** What a value is divided by, bounds and sum alike: 1,000 makes seconds of ms. */
  readonly divisor: number;
}

export type HistogramSample = readonly [labels: Readonly<Record<string, string>>, snapshot: HistogramSnapshot];

/** A histogram that is counted elsewhere, in plain numbers, and read at the scrape. */
export function histogramAtScrape(registry: Registry, options: HistogramOptions, read: () => readonly HistogramSample[]): void {
  const histogram = new HistogramAtScrape(registry, options, read);
  void histogram;
}

type Exposed = Awaited<ReturnType<Histogram['get']>>;
/** The library's types say a number here; what it writes, and reads, is the word. */
const HISTOGRAM = 'histogram' as unknown as Exposed['type'];

class HistogramAtScrape extends Histogram {
  readonly #options: HistogramOptions;
  readonly #read: () => readonly HistogramSample[];

  constructor(registry: Registry, options: HistogramOptions, read: () => readonly HistogramSample[]) {
    const { name, help, labels = [], bounds, divisor } = options;
    super({ name, help, labelNames: labels, buckets: bounds.map((bound) => bound / divisor), registers: [registry] });
    this.#options = options;
    this.#read = read;
  }

  override async get(): Promise<Exposed> {
    const { name, help } = this.#options;
    const values = this.#read().flatMap(([labels, snapshot]) => this.#expose(labels, snapshot));
    return { name, help, type: HISTOGRAM, aggregator: 'sum', collect: () => {}, values };
  }

  /** What the registry calls for text. */
  getForPromString(): Promise<Exposed> {
    return this.get();
  }

  #expose(labels: HistogramSample[0], { bounds, counts, count, sum }: HistogramSnapshot): Exposed['values'] {
    const { name, bounds: shown, divisor } = this.#options;
    const values: Exposed['values'] = [];
    let at = 0;
    let below = 0;
    for (const bound of shown) {
      for (; at < bounds.length && (bounds[at] ?? 0) <= bound; at += 1) below += counts[at] ?? 0;
      values.push({ metricName: `${name}_bucket`, labels: { le: decimal(bound / divisor), ...labels }, value: below });
    }
    return [
      ...values,
      { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count },
      { metricName: `${name}_sum`, labels, value: sum / divisor },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}

/** Without the dust of a division in binary: 0.00025, not 0.00025000000000000006. */
const decimal = (value: number): string => String(Number(value.toPrecision(12)));
