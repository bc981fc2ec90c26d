import { randomUUID } from 'node:crypto';
import type { FollowerStats } from '../cache/follower-types.ts';
import type { Database } from '../postgres/database.ts';
import type { DoctorSettings, ProbeInstance, World } from './check.ts';
import { databaseOf } from './check.ts';
import { pause } from './pause.ts';
import { foreignHistories } from './redis-use-checks.ts';

/** Names the rows of doctors, which nobody else should use. */
const PROBE_OWNER = 'forebay-doctor';
const PROBE_FOLDER = '/forebay-doctor/';

/** One change by plain SQL, and what became of it. */
export interface Round {
  /** From the answer to the commit until the other instance gave the new value; `null`: not before it was given up. */
  readonly servedMs: number | null;
  /** From there until the other instance could prove that it knew of the change; `null` as before. */
  readonly provenMs: number | null;
  /** Whether memory of the other instance held the old value at the commit. */
  readonly wasCached: boolean;
  /** Whether Redis held an entry that counted before the commit. */
  readonly wasShared: boolean;
}

/** How long another cache is given to hear of a change, in ms. */
export const patienceMs = ({ maxStalenessMs }: DoctorSettings): number => Math.min(maxStalenessMs, MOST_BOUND_MS) + PATIENCE_MS;

export interface LoopMeasured {
  readonly rounds: readonly Round[];
  /** Entries that came to the other instance over the bus, over all rounds: also after it had found them in the log, as on a machine that is short of CPU. */
  readonly messages: number;
  /** Those that it found in the log first. */
  readonly heardByLog: number;
  /** The largest age of a proof that was seen once there was a first one, in ms; `null`: nothing was proven. */
  readonly worstProofMs: number | null;
  /** Servers that were seen with the history of another database after this one had used them. */
  readonly foreign: readonly string[];
  /** Rows of doctors that were killed, now removed. */
  readonly leftovers: number;
  /** What the other instance gave for a row after it was removed. */
  readonly goneAtEnd: boolean;
}

const POLL_MS = 1;
/** Looks at the log are four in a second at least, whatever the bound: a change is waited for so much longer than the bound, or than this, in ms. */
const PATIENCE_MS = 2_000;
const MOST_BOUND_MS = 5_000;
/** An entry is looked for in memory and Redis so long before a change, in ms: then it goes on without. */
const SETTLE_MS = 2_000;
/** Between rounds: longer than the shortest interval of looks at the log, so that what is timed is not the haste after the change before. */
const CALM_MS = 250;
/** Between looks at whose history Redis has. */
const WATCH_MS = 50;
const TIDY_MS = 3_000;

const INSERT = `insert into forebay.file_info (id, name, path, size, mime_type, owner_id) values ($1, 'probe', $2, 0, 'application/x-forebay-doctor', $3)`;
const UPDATE = 'update forebay.file_info set size = $2, updated_at = now() where id = $1';
const REMOVE = 'delete from forebay.file_info where id = $1';
// By the index on the path.
const LEFTOVERS = `
  delete from forebay.file_info
   where left(path, 512) collate "C" >= $1 and left(path, 512) collate "C" < $2 and owner_id = $3 and updated_at < now() - make_interval(secs => $4::float8 / 1000)
  returning id`;

/** Changes a row of its own by plain SQL a few times, and looks through another cache until it shows. The row is removed whatever happens. */
export async function measureLoop(world: World, signal: AbortSignal): Promise<LoopMeasured> {
  const database = databaseOf(world);
  const leftovers = await removeLeftovers(database, world.limits.leftoverMs, signal);
  const id = randomUUID();
  const instances = await openInstances(world, database);
  try {
    await database.query(INSERT, [id, `${PROBE_FOLDER}${id}`, PROBE_OWNER], { signal });
    const measuring = new Measuring(world, database, instances.looker, id, signal);
    return { ...(await measuring.run()), leftovers };
  } finally {
    await remove(database, id);
    await instances.close();
  }
}

async function removeLeftovers(database: Database, olderMs: number, signal: AbortSignal): Promise<number> {
  const end = `${PROBE_FOLDER.slice(0, -1)}0`;
  return (await database.query(LEFTOVERS, [PROBE_FOLDER, end, PROBE_OWNER, olderMs], { signal })).length;
}

/** Also when the check was told to stop: with a time limit of its own. */
async function remove(database: Database, id: string): Promise<void> {
  await database.query(REMOVE, [id], { signal: AbortSignal.timeout(TIDY_MS) }).catch(() => {
    // The database is gone; the next run finds the row and removes it.
  });
}

/** The one that looks never relays: all that it knows it was told, by the bus or the log. Beside it stands one that does what the settings say, or the process that serves. */
async function openInstances(world: World, database: Database): Promise<{ looker: ProbeInstance; close: () => Promise<void> }> {
  const { targets, settings } = world;
  // One that cannot be reached is of no interest here: the way by the log alone is.
  const redisServer = world.redis === null ? null : world.redisServer;
  const looker = await targets.openInstance(database, redisServer, 'never');
  try {
    const relays = targets.running === null && settings.relay === 'always';
    const beside = relays ? await targets.openInstance(database, redisServer, 'always') : null;
    return {
      looker,
      close: async () => {
        await looker.close();
        await beside?.close();
      },
    };
  } catch (error) {
    await looker.close();
    throw error;
  }
}

class Measuring {
  readonly #world: World;
  readonly #database: Database;
  readonly #looker: ProbeInstance;
  readonly #id: string;
  readonly #signal: AbortSignal;
  readonly #foreign = new Set<string>();
  #worstProofMs: number | null = null;

  constructor(world: World, database: Database, looker: ProbeInstance, id: string, signal: AbortSignal) {
    this.#world = world;
    this.#database = database;
    this.#looker = looker;
    this.#id = id;
    this.#signal = signal;
  }

  async run(): Promise<Omit<LoopMeasured, 'leftovers'>> {
    const { limits, clock, chance } = this.#world;
    const rounds: Round[] = [];
    const watching = this.#watchHistory();
    let before: FollowerStats['counts'] | null = null;
    for (let n = 1; n <= limits.rounds; n += 1) {
      const cached = await this.#settle(n - 1);
      before ??= this.#looker.stats().counts;
      // At another moment of the interval of looks each time.
      await pause(clock, CALM_MS * (1 + chance.random()), this.#signal);
      rounds.push(await this.#round(n, cached));
      // Without a proof, more rounds say no more than this one.
      if (rounds.at(-1)?.provenMs === null) break;
    }
    const { counts } = this.#looker.stats();
    await watching.end();
    return {
      rounds,
      messages: counts.messages - (before?.messages ?? 0),
      heardByLog: counts.heardByLog - (before?.heardByLog ?? 0),
      worstProofMs: this.#worstProofMs,
      foreign: [...this.#foreign],
      goneAtEnd: await this.#removed(),
    };
  }

  /** Reads until the value is in memory, and in Redis if there is one: as it would be for any record that is in use. */
  async #settle(size: number): Promise<{ wasCached: boolean; wasShared: boolean }> {
    const { clock, redis } = this.#world;
    const endAt = clock.now() + SETTLE_MS;
    for (;;) {
      const found = await this.#looker.lookup(this.#id);
      const wasCached = found.outcome === 'hit' && found.tier === 'local' && found.value.size === size;
      const wasShared = redis !== null && (await this.#looker.isShared(this.#id));
      if ((wasCached && (wasShared || redis === null)) || clock.now() > endAt) return { wasCached, wasShared };
      await pause(clock, POLL_MS * 10, this.#signal);
    }
  }

  async #round(size: number, cached: { wasCached: boolean; wasShared: boolean }): Promise<Round> {
    const { clock, settings, targets } = this.#world;
    const { running } = targets;
    await this.#database.query(UPDATE, [this.#id, size], { signal: this.#signal });
    const committedAt = clock.now();
    const giveUpAt = committedAt + patienceMs(settings);
    let servedMs: number | null = null;
    let provenMs: number | null = null;
    while ((servedMs === null || provenMs === null) && clock.now() < giveUpAt) {
      const found = await this.#looker.lookup(this.#id);
      const now = clock.now();
      if ('value' in found && found.value.size === size) servedMs ??= now - committedAt;
      const asOf = this.#looker.asOf();
      if (asOf >= committedAt) provenMs ??= now - committedAt;
      this.#seeProof(asOf, now);
      if (running !== null) this.#seeProof(running.asOf(), now);
      await pause(clock, POLL_MS, this.#signal);
    }
    return { servedMs, provenMs, ...cached };
  }

  /** Looks again and again whose history each server has: one that was ours and then another's was taken by somebody who is at work. */
  #watchHistory(): { end: () => Promise<void> } {
    const { clock, redis } = this.#world;
    const over = new AbortController();
    const signal = AbortSignal.any([over.signal, this.#signal]);
    const ours = new Set<string>();
    const watch = async (): Promise<void> => {
      if (redis === null) return;
      for (;;) {
        const foreign = await foreignHistories(this.#world, this.#signal);
        for (const { name } of redis.nodes) {
          if (!foreign.includes(name)) ours.add(name);
          else if (ours.has(name)) this.#foreign.add(name);
        }
        await pause(clock, WATCH_MS, signal);
      }
    };
    // What ends it is no news: the end of the rounds, or what the rounds reject with themselves.
    const watched = watch().catch(() => {});
    return {
      end: () => {
        over.abort();
        return watched;
      },
    };
  }

  #seeProof(asOf: number, now: number): void {
    if (Number.isFinite(asOf)) this.#worstProofMs = Math.max(this.#worstProofMs ?? 0, now - asOf);
  }

  /** Removes the row, and looks whether the other instance has heard of that too. */
  async #removed(): Promise<boolean> {
    const { clock, settings } = this.#world;
    await this.#database.query(REMOVE, [this.#id], { signal: this.#signal });
    const giveUpAt = clock.now() + patienceMs(settings);
    while (clock.now() < giveUpAt) {
      if ((await this.#looker.lookup(this.#id)).outcome === 'absent') return true;
      await pause(clock, POLL_MS, this.#signal);
    }
    return false;
  }
}
