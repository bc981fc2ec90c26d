import { setTimeout as sleep } from 'node:timers/promises';
import { createChangeLog } from '../../src/postgres/change-log.ts';
import { openDatabase } from '../../src/postgres/database.ts';

const EVERY_MS = 50;

export interface RelayOptions {
  /** Sweep the log too, keeping this much of it. */
  readonly retentionMs?: number;
  readonly sweepEveryMs?: number;
}

export interface Relay extends AsyncDisposable {
  /** How many ids it has numbered. */
  readonly numbered: number;
  /** Calls of advance() since the last time that this was asked, in ms each. */
  takeTimes(): number[];
}

/** Numbers the outbox every 50 ms until nothing is left, on a connection of its own, as one of the service's instances does. */
export async function startRelay(url: string, { retentionMs, sweepEveryMs = 5_000 }: RelayOptions = {}): Promise<Relay> {
  const database = await openDatabase(url, { maxConnections: 1, statementTimeoutMs: 60_000 });
  const log = createChangeLog(database, retentionMs === undefined ? {} : { retentionMs });
  const stopping = new AbortController();
  let numbered = 0;
  let times: number[] = [];

  const number = async (): Promise<void> => {
    for (let more = true; more;) {
      const startedAt = performance.now();
      const state = await log.advance();
      times.push(performance.now() - startedAt);
      numbered += state.entry?.keys.length ?? 0;
      more = state.more;
    }
  };
  const loop = async (): Promise<void> => {
    let sweptAt = performance.now();
    while (!stopping.signal.aborted) {
      await number();
      if (retentionMs !== undefined && performance.now() - sweptAt >= sweepEveryMs) {
        await log.sweep();
        sweptAt = performance.now();
      }
      await sleep(EVERY_MS, undefined, { signal: stopping.signal }).catch(() => {});
    }
    await number();
  };
  const looping = loop();
  looping.catch(() => {}); // Told when it is stopped.
  return {
    get numbered() {
      return numbered;
    },
    takeTimes() {
      const taken = times;
      times = [];
      return taken;
    },
    async [Symbol.asyncDispose]() {
      stopping.abort();
      try {
        await looping;
      } finally {
        await database.close();
      }
    },
  };
}
