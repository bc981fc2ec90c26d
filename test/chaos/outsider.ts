import { Client } from 'pg';
import { sharedNow } from './clock.ts';
import { markText } from './contestant.ts';
import type { WriteLog } from './logs.ts';
import { idOf, markFor, ownerOf } from './protocol.ts';
import type { SeededChance } from './random.ts';

/** Somebody who changes rows with a plain client and has never heard of a cache. */
export class Outsider {
  readonly #url: string;
  readonly #log: WriteLog;
  readonly #chance: SeededChance;
  readonly #keys: number;
  readonly #writer: number;
  readonly #running = new Set<Promise<void>>();
  #stopped = false;
  #count = 0;

  constructor(parts: { url: string; log: WriteLog; chance: SeededChance; keys: number; writer: number }) {
    this.#url = parts.url;
    this.#log = parts.log;
    this.#chance = parts.chance;
    this.#keys = parts.keys;
    this.#writer = parts.writer;
  }

  /** Sessions that work until `stop`: each changes a few rows in a transaction that stays open for up to `openMs`, rolls some of them back, and pauses. */
  work(options: { sessions: number; perSecond: number; openMs: number; rollBackShare: number }): void {
    for (let i = 0; i < options.sessions; i += 1) {
      const session = this.#session({ ...options, pauseMs: (1000 * options.sessions) / options.perSecond }).finally(() =>
        this.#running.delete(session),
      );
      this.#running.add(session);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#running);
  }

  async #session({ pauseMs, openMs, rollBackShare }: { pauseMs: number; openMs: number; rollBackShare: number }): Promise<void> {
    const client = new Client({ connectionString: this.#url });
    await client.connect();
    while (!this.#stopped) {
      await this.#transaction(client, openMs, this.#chance.next() < rollBackShare);
      await pause(this.#chance.between(0, 2 * pauseMs));
    }
    await client.end();
  }

  async #transaction(client: Client, openMs: number, rollBack: boolean): Promise<void> {
    // In the order of the ids, so that two of these never wait for each other in a circle.
    const keys = [this.#key(), this.#key()].sort((a, b) => a - b);
    const writes: { write: number; version: number }[] = [];
    await client.query('begin');
    for (const key of new Set(keys)) {
      this.#count += 1;
      const write = markFor(this.#writer, this.#count);
      this.#log.add({ step: 'begun', write, key, kind: 'update', at: sharedNow() });
      const { rows } = await client.query<{ version: string }>('update forebay.file_info set sha256 = $2 where id = $1 returning version', [
        idOf(key),
        markText(write),
      ]);
      writes.push({ write, version: Number(rows[0]?.version) });
    }
    if (openMs > 0) await pause(this.#chance.between(0, openMs));
    await client.query(rollBack ? 'rollback' : 'commit');
    const at = sharedNow();
    for (const { write, version } of writes) {
      if (rollBack) this.#log.add({ step: 'rolledBack', write, at });
      else {
        this.#log.add({ step: 'committed', write, at });
        this.#log.add({ step: 'done', write, at, version });
      }
    }
  }

  #key(): number {
    for (;;) {
      const key = this.#chance.popular(this.#keys);
      if (ownerOf(key, 1) === null) return key;
    }
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
