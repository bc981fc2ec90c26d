/** One record as a cache showed it: its version in the database, and the mark of the write that made it. */
export interface Seen {
  readonly version: number;
  readonly mark: number;
}

/** A change that a worker makes. */
export type Change =
  | { readonly kind: 'update'; readonly id: string; readonly mark: number }
  | { readonly kind: 'create'; readonly id: string; readonly mark: number }
  /** `version`: what the record has now; nobody else writes it. */
  | { readonly kind: 'delete'; readonly id: string; readonly version: number };

/** A cache under test, as one process opens it. */
export interface Contestant {
  /** A read through the cache; `null`: there is no such record. Rejects when nobody could say. */
  read(id: string): Promise<Seen | null>;
  /** Writes the record and tells the cache, as the cache's users would. Resolves to the new version; a delete's is the version that it deleted. */
  write(change: Change): Promise<number>;
  /** Reads in an open transaction that changed the record and is then rolled back. */
  rollBack?(id: string, mark: number): Promise<void>;
  /** Makes every cache forget records with the tag, without a change of the database that the cache could see. */
  invalidateTag?(tag: string, ids: readonly string[]): Promise<void>;
  /** Records asked of the database for reads, so far. */
  loaded(): number;
  close(): Promise<void>;
}

export interface ContestantOptions {
  readonly databaseUrl: string;
  readonly redisUrl: string;
  /** Folder of the engine's source, for Forebay. */
  readonly source: string;
  readonly boundMs: number;
  /** Forebay's relay in this process. */
  readonly relay: 'always' | 'never';
  /** To be awaited between the moment at which a load has its rows and the one at which the cache gets them: some loads are slow. */
  slowLoad(): Promise<void>;
  /** Called in the same turn in which the database acknowledged a commit, with the marks written in it. */
  onCommit(marks: readonly number[]): void;
  /** Called at each step of Forebay's relay. */
  onRelayStep(step: string): void;
}

/** What a module of a contestant exports as `open`. */
export type OpenContestant = (options: ContestantOptions) => Promise<Contestant>;

/** Marks travel in the column `sha256`, which no policy of a cache looks at. */
export function markText(mark: number): string {
  return mark.toString(16).padStart(64, '0');
}

export function markOf(text: string | null | undefined): number {
  return typeof text === 'string' ? Number.parseInt(text.slice(-13), 16) : Number.NaN;
}
