import type { TagTable } from '../cache/tags.ts';
import type { Clock } from '../core/clock.ts';
import type { Chance } from '../core/random.ts';
import type { ScriptCalls } from './script-calls.ts';
import { readTags } from './scripts.ts';

/** Longest wait for the whole table, in ms; it is up to 100 kB, and read only when a change was missed. */
const READ_TABLE_MS = 500;

/** The fields `g` and `n` of the table, generation and stamp; nothing or empty: there is no table. Rejects if the server cannot be asked. */
export type AskHead = () => Promise<readonly (Buffer | null)[]>;

export interface TagSyncParts {
  readonly calls: ScriptCalls;
  readonly table: string;
  readonly tags: TagTable;
  readonly clock: Clock;
  readonly chance: Chance;
  /** The table bears the mark of its server, as on a Cluster. @defaultValue false */
  readonly marked?: boolean;
}

/** Keeps this process's copy of the tag stamps level with the table in Redis. */
export class TagSync {
  readonly #calls: ScriptCalls;
  readonly #table: string;
  readonly #tags: TagTable;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #marked: boolean;
  #reading: Promise<boolean> | null = null;
  #ended = false;

  constructor(parts: TagSyncParts) {
    this.#calls = parts.calls;
    this.#table = parts.table;
    this.#tags = parts.tags;
    this.#clock = parts.clock;
    this.#chance = parts.chance;
    this.#marked = parts.marked ?? false;
  }

  /** The table is kept by another server from here on: what this one still answers is not heard. */
  end(): void {
    this.#ended = true;
  }

  /** Looks at the head of the table and takes over what is new. Resolves to whether the copy is level. Never rejects. */
  async readHead(ask: AskHead): Promise<boolean> {
    const known = this.#tags.point;
    let head: readonly (Buffer | null)[];
    try {
      head = await ask();
    } catch (error) {
      // A key of another type under the table's name is replaced; anything else is a server that cannot be asked.
      return error instanceof Error && error.message.startsWith('WRONGTYPE') ? this.#readTable('') : false;
    }
    if (this.#ended) return false;
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
    const reply = await this.#calls.run(
      readTags(this.#table, this.#chance.uniqueId(), lost, this.#marked),
      this.#clock.now() + READ_TABLE_MS,
    );
    if (this.#ended || !reply.ok || !Array.isArray(reply.value)) return false;
    const [generation = '', stamp, ...fields] = reply.value.map(String);
    const stamps: [number, number][] = [];
    for (let i = 0; i + 1 < fields.length; i += 2) stamps.push([Number(fields[i]), Number(fields[i + 1])]);
    this.#tags.replace({ generation, stamp: Number(stamp) }, stamps, missed);
    return !this.#tags.behind;
  }
}
