import { Client } from 'pg';
import { sharedNow } from './clock.ts';
import type { Contestant } from './contestant.ts';
import { markText } from './contestant.ts';
import type { WriteLog } from './logs.ts';
import { Pace } from './pace.ts';
import type { Load, WorkerSetup } from './protocol.ts';
import { KEYS_PER_TAG, idOf, markFor, ownerOf, tagOf } from './protocol.ts';
import type { SeededChance } from './random.ts';

const MOST_TRIES = 20;
const MOST_WRITES = 16;
const DELETE_SHARE = 0.3;

/** Changes keys, and notes each step of each change. */
export class Writers {
  readonly #contestant: Contestant;
  readonly #log: WriteLog;
  readonly #chance: SeededChance;
  readonly #setup: WorkerSetup;
  readonly #pace: Pace;
  readonly #direct: Promise<Client>;
  /** Keys with a write of ours under way. */
  readonly #busy = new Set<number>();
  /** Versions of our own keys, `null` where there is no record; a key that is missing here has to be looked up. */
  readonly #own = new Map<number, number | null>();
  #style: Load['style'] = 'api';
  #count = 0;

  constructor(contestant: Contestant, log: WriteLog, chance: SeededChance, setup: WorkerSetup) {
    this.#contestant = contestant;
    this.#log = log;
    this.#chance = chance;
    this.#setup = setup;
    this.#pace = new Pace(chance, MOST_WRITES, () => this.#write());
    this.#direct = connectDirectly(setup.directDatabaseUrl);
  }

  work(perSecond: number, style: Load['style']): void {
    this.#style = style;
    this.#pace.start(perSecond);
  }

  rest(): Promise<void> {
    return this.#pace.stop();
  }

  async #write(): Promise<void> {
    if (this.#style === 'tags') return this.#invalidateTag(this.#chance.below(this.#setup.keys / KEYS_PER_TAG));
    const key = this.#chance.popular(this.#setup.keys);
    const owner = ownerOf(key, this.#setup.processes);
    if (this.#busy.has(key) || (owner !== null && owner !== this.#setup.process)) return;
    this.#busy.add(key);
    try {
      if (owner !== null) await this.#comeAndGo(key);
      else if (this.#style === 'rollBack' && this.#chance.next() < 0.5) await this.#rollBack(key);
      else await this.#do('update', key, (mark) => this.#contestant.write({ kind: 'update', id: idOf(key), mark }));
    } finally {
      this.#busy.delete(key);
    }
  }

  async #comeAndGo(key: number): Promise<void> {
    if (!this.#own.has(key)) this.#own.set(key, await this.#versionOf(key));
    const version = this.#own.get(key) ?? null;
    // What comes of it is known only when it went well.
    this.#own.delete(key);
    const id = idOf(key);
    if (version === null) {
      const made = await this.#do('create', key, (mark) => this.#contestant.write({ kind: 'create', id, mark }));
      if (made !== null) this.#own.set(key, made);
    } else if (this.#chance.next() < DELETE_SHARE) {
      const gone = await this.#do('delete', key, () => this.#contestant.write({ kind: 'delete', id, version }), version);
      if (gone !== null) this.#own.set(key, null);
    } else {
      const changed = await this.#do('update', key, (mark) => this.#contestant.write({ kind: 'update', id, mark }));
      if (changed !== null) this.#own.set(key, changed);
    }
  }

  async #versionOf(key: number): Promise<number | null> {
    const { rows } = await (
      await this.#direct
    ).query<{ version: string }>('select version from forebay.file_info where id = $1', [idOf(key)]);
    return rows[0] === undefined ? null : Number(rows[0].version);
  }

  async #do(
    kind: 'update' | 'create' | 'delete',
    key: number,
    work: (mark: number) => Promise<number>,
    deleted?: number,
  ): Promise<number | null> {
    const write = this.#nextMark();
    this.#log.add({ step: 'begun', write, key, kind, at: sharedNow(), ...(deleted === undefined ? {} : { version: deleted }) });
    try {
      const version = await work(write);
      this.#log.add({ step: 'done', write, at: sharedNow(), version });
      return version;
    } catch (error) {
      this.#log.add({ step: 'failed', write, at: sharedNow(), reason: String(error).slice(0, 300) });
      return null;
    }
  }

  async #rollBack(key: number): Promise<void> {
    if (this.#contestant.rollBack === undefined) return;
    const write = this.#nextMark();
    this.#log.add({ step: 'begun', write, key, kind: 'update', at: sharedNow() });
    await this.#contestant.rollBack(idOf(key), write).catch(() => {});
    this.#log.add({ step: 'rolledBack', write, at: sharedNow() });
  }

  /** Changes the records of a tag behind every cache's back, and tells of the tag alone. */
  async #invalidateTag(group: number): Promise<void> {
    if (this.#contestant.invalidateTag === undefined || this.#busy.size > 0) return;
    const keys = Array.from({ length: KEYS_PER_TAG }, (_, i) => group * KEYS_PER_TAG + i).filter((key) => ownerOf(key, 1) === null);
    for (const key of keys) this.#busy.add(key);
    const writes = keys.map((key) => ({ key, write: this.#nextMark(), version: 0 }));
    for (const { key, write } of writes) this.#log.add({ step: 'begun', write, key, kind: 'update', at: sharedNow(), told: 'tag' });
    try {
      const client = await this.#direct;
      await client.query('begin');
      // Triggers are off for the session, so the version is drawn here and the outbox hears nothing.
      for (const entry of writes) {
        const { rows } = await client.query<{ version: string }>(
          "update forebay.file_info set sha256 = $2, version = nextval('forebay.version') where id = $1 returning version",
          [idOf(entry.key), markText(entry.write)],
        );
        entry.version = Number(rows[0]?.version);
      }
      await client.query('commit');
      await this.#tellOfTag(keys);
      for (const { write, version } of writes) {
        this.#log.add({ step: 'committed', write, at: sharedNow() });
        this.#log.add({ step: 'done', write, at: sharedNow(), version });
      }
    } catch (error) {
      for (const { write } of writes) this.#log.add({ step: 'failed', write, at: sharedNow(), reason: String(error).slice(0, 300) });
    } finally {
      for (const key of keys) this.#busy.delete(key);
    }
  }

  /** Until it was told: nothing else tells of these changes, and a caller of the real thing would try again too. */
  async #tellOfTag(keys: readonly number[]): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      try {
        await this.#contestant.invalidateTag?.(tagOf(keys[0] ?? 0), keys.map(idOf));
        return;
      } catch (error) {
        if (tries === MOST_TRIES) throw error;
      }
    }
  }

  #nextMark(): number {
    this.#count += 1;
    return markFor(this.#setup.writer, this.#count);
  }
}

async function connectDirectly(url: string): Promise<Client> {
  const client = new Client({ connectionString: url, options: '-c session_replication_role=replica' });
  client.on('error', () => {});
  await client.connect();
  return client;
}
