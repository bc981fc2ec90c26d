/** What a worker process is told at its start. */
export interface WorkerSetup {
  /** Module that exports `open` as an `OpenContestant`. */
  readonly contestant: string;
  readonly source: string;
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Past all proxies: for what the harness itself needs to know. */
  readonly directDatabaseUrl: string;
  readonly boundMs: number;
  readonly relay: 'always' | 'never';
  readonly keys: number;
  readonly process: number;
  readonly processes: number;
  /** Of this incarnation of the process: marks of its writes begin with it. */
  readonly writer: number;
  readonly seed: number;
  readonly slowLoadMs: number;
  readonly readLog: string;
  readonly writeLog: string;
}

/** How hard a worker works, and what its writes are. */
export interface Load {
  readonly readsPerSecond: number;
  readonly writesPerSecond: number;
  /** `api`: the contestant's own writes. `rollBack`: every other one is rolled back after reads inside. `tags`: changes that only a tag's invalidation tells of. */
  readonly style: 'api' | 'rollBack' | 'tags';
}

export type Command =
  | { readonly do: 'work'; readonly load: Load }
  /** Begins nothing more, and answers when all that was begun has ended. */
  | { readonly do: 'rest' }
  /** Reads every key once, in the log like any other read; answers with the versions. */
  | { readonly do: 'readAll' }
  /** The next commit is the last thing that this process does. */
  | { readonly do: 'dieAtCommit' }
  | { readonly do: 'dieAtRelayStep'; readonly step: string }
  | { readonly do: 'loaded' };

/** `versions` of `readAll`, by key's index; `loaded` and `errors` of `loaded`. */
export interface Answer {
  readonly id: number;
  readonly versions?: readonly number[];
  readonly loaded?: number;
  readonly errors?: Readonly<Record<string, number>>;
  readonly error?: string;
}

/** The id of a key's record. */
export function idOf(key: number): string {
  return `00000000-0000-4000-8000-${key.toString(16).padStart(12, '0')}`;
}

/** One key of ten comes and goes, by the hand of one process alone, so that its deletions have a place in the order of versions. */
export function ownerOf(key: number, processes: number): number | null {
  return key % 10 === 9 ? Math.floor(key / 10) % processes : null;
}

export const KEYS_PER_TAG = 5;

export function tagOf(key: number): string {
  return `group:${Math.floor(key / KEYS_PER_TAG)}`;
}

const WRITES_PER_WRITER = 2 ** 24;

/** The mark of a writer's write. Writer 0 made the first records. */
export function markFor(writer: number, count: number): number {
  return writer * WRITES_PER_WRITER + count;
}
