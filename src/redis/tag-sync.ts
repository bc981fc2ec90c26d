import type { Redis } from 'ioredis';
import type { TagTable } from '../cache/tags.ts';
import type { Clock } from '../core/clock.ts';
import type { Chance } from '../core/random.ts';
import type { ScriptCalls } from './script-calls.ts';
import { readTags } from './scripts.ts';

/** Longest wait for the whole table, in ms; it is up to 100 kB, and read only when a change was missed. */
const READ_TABLE_MS = 500;

/** Keeps this process's copy of the tag stamps level with the table in Redis. */
export class TagSync {
  readonly #calls: ScriptCalls;
  readonly #table: string;
  readonly #tags: TagTable;
  readonly #clock: Clock;
  readonly #chance: Chance;
  #reading: Promise<boolean> | null = null;

  constructor(parts: { calls: ScriptCalls; table: string; tags: TagTable; clock: Clock; chance: Chance }) {
    this.#calls = parts.calls;
    this.#table = parts.table;
    this.#tags = parts.tags;
    this.#clock = parts.clock;
    this.#chance = parts.chance;
  }

  /** Looks at the head of the table and takes over what is new. Resolves to whether the copy is level. Never rejects. */
  async readHead(client: Redis): Promise<boolean> {
    const known = this.#tags.point;
    let head: (Buffer | null)[];
    try {
      head = await client.hmgetBuffer(this.#table, 'g', 'n');
    } catch (error) {
      // A key of another type under the table's name is replaced; anything else is a server that cannot be asked.
      return error instanceof Error && error.message.startsWith('WRONGTYPE') ? this.#readTable('') : false;
    }
    const generation = head[0]?.toString() ?? '';
    const stamp = Number(head[1]?.toString() ?? 'NaN');
    if (generation === '' || Number.isNaN(stamp)) return this.#readTable('');
    // The stamp that was known before this question was sent came from the server: a lower one now means that it lost writes (a failover, a restored backup), and its stamps cannot be trusted.
    if (generation === known.generation && stamp < known.stamp) return this.#readTable(generation);
    const { point } = this.#tags;
    const isNews = this.#tags.behind || generation !== point.generation || stamp > point.stamp;
    return isNews ? this.#readTable('') : true;
  }

  /** Reads the whole table once for all who need it now. `lost`: a generation that must not go on. */
  async #readTable(lost: string): Promise<boolean> {
    // A reading that is under way may have begun before what its caller saw.
    if (this.#reading !== null) await this.#reading;
    this.#reading ??= this.#read(lost).finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(lost: string): Promise<boolean> {
    const { missed } = this.#tags;
    const reply = await this.#calls.run(readTags(this.#table, this.#chance.uniqueId(), lost), this.#clock.now() + READ_TABLE_MS);
    if (!reply.ok || !Array.isArray(reply.value)) return false;
    const [generation = '', stamp, ...fields] = reply.value.map(String);
    const stamps: [number, number][] = [];
    for (let i = 0; i + 1 < fields.length; i += 2) stamps.push([Number(fields[i]), Number(fields[i + 1])]);
    this.#tags.replace({ generation, stamp: Number(stamp) }, stamps, missed);
    return !this.#tags.behind;
  }
}
