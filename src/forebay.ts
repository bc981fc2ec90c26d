import type { Files } from './files/files.ts';

/** Whether Forebay can serve, and what is amiss. */
export interface Readiness {
  /** The database answers, or entries may be served without it. */
  readonly ready: boolean;
  readonly database: 'up' | 'down';
  /** `off` when none is configured. */
  readonly redis: 'up' | 'down' | 'off';
  /** Sentences for people, one for each thing amiss. */
  readonly reasons: readonly string[];
}

/** A running Forebay: the file layer with its two caches, the database and Redis. */
export interface Forebay extends AsyncDisposable {
  readonly files: Files;
  readiness(): Promise<Readiness>;
  /** Prometheus text exposition of every metric. */
  metricsText(): Promise<{ contentType: string; body: string }>;
  /** Ends background work and closes what `createForebay` opened, in order. Idempotent. */
  close(): Promise<void>;
}
