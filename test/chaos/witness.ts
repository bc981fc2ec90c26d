import { Client } from 'pg';
import { sharedNow } from './clock.ts';
import { markOf } from './contestant.ts';
import { pause } from './outsider.ts';
import { idOf } from './protocol.ts';

const LOOK_EVERY_MS = 40;

/** A state of a key that the witness saw. `beforeAt` is when it asked, `seenAt` when it had the answer: the commit is not later than that. */
export interface Sighting {
  readonly key: number;
  /** `null`: there was no record. */
  readonly version: number | null;
  readonly mark: number;
  readonly beforeAt: number;
  readonly seenAt: number;
}

/** Looks at all rows again and again, past every proxy: so that a write is known to be committed though its writer was killed, frozen or cut off before it could say so. */
export class Witness {
  readonly #client: Client;
  readonly #keyOf: Map<string, number>;
  readonly #last = new Map<number, number | null>();
  readonly sightings: Sighting[] = [];
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(url: string, keys: number) {
    this.#client = new Client({ connectionString: url });
    this.#client.on('error', () => {});
    this.#keyOf = new Map(Array.from({ length: keys }, (_, key) => [idOf(key), key]));
  }

  async start(): Promise<void> {
    await this.#client.connect();
    await this.look();
    this.#running = (async () => {
      while (!this.#stopped) {
        await this.look();
        await pause(LOOK_EVERY_MS);
      }
    })();
    // Whoever stops it hears of it.
    this.#running.catch(() => {});
  }

  /** The state of every key now. */
  async look(): Promise<ReadonlyMap<number, number | null>> {
    const beforeAt = sharedNow();
    const { rows } = await this.#client.query<{ id: string; version: string; sha256: string }>(
      'select id, version, sha256 from forebay.file_info',
    );
    const seenAt = sharedNow();
    const there = new Map(rows.map((row) => [this.#keyOf.get(row.id), { version: Number(row.version), mark: markOf(row.sha256) }]));
    for (const key of this.#keyOf.values()) {
      const { version, mark } = there.get(key) ?? { version: null, mark: Number.NaN };
      if (this.#last.get(key) === version) continue;
      this.#last.set(key, version);
      this.sightings.push({ key, version, mark, beforeAt, seenAt });
    }
    return this.#last;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    await this.#client.end();
  }
}
