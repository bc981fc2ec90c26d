/** Goes over the names of all keys that a remote tier stores, whatever servers it is on. */
export interface StoredKeys {
  /** What it is on, for people. */
  readonly topology: 'standalone' | 'sentinel' | 'cluster';
  readonly keyPrefix: string;
  /** How many keys there are about, of all kinds. @throws {ForebayError} as `pages` */
  count(signal: AbortSignal): Promise<number>;
  /**
   * The names, without the prefix, of keys that begin with `start`, a page at a time: each that is there from the first page to the last comes at least once, and some may come twice. One that moves from node to node meanwhile
   * may be passed over, and so may one whose server loses it.
   * @throws {ForebayError} `REDIS_UNAVAILABLE` when a server is away for too long, or others take over again and again; `RIGHTS_MISSING`; the signal's reason
   */
  pages(start: string, signal: AbortSignal): AsyncGenerator<readonly string[]>;
}
