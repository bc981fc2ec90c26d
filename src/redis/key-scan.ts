import type { Redis } from 'ioredis';
import { pause } from '../cache/pacer.ts';
import type { StoredKeys } from '../cache/stored-keys.ts';
import type { Clock } from '../core/clock.ts';
import { ForebayError } from '../core/errors.ts';
import type { RedisLink } from './link.ts';
import { factsOf, parseInfo } from './server-info.ts';

/** Every number of going over keys. */
const SCANNING = Object.freeze({
  /** Keys that a server looks at for one page, about: a tenth of a millisecond of its time, in which it serves nobody else. */
  count: 100,
  /** A server that is away is waited for so long, in ms: longer than a fail-over takes. */
  patienceMs: 30_000,
  /** It is looked for so often meanwhile, in ms. */
  lookMs: 200,
  /** Times that servers are gone over again from their beginning, since another one took over or slots moved. */
  restarts: 8,
});

/** A primary whose keys are gone over. */
export interface ScannedNode {
  readonly name: string;
  readonly link: RedisLink;
  /** What it says of the slots that it serves, so that a change shows; '' where there is but one server. */
  slots(client: Redis): Promise<string>;
}

export interface KeyScanOptions {
  readonly topology: StoredKeys['topology'];
  readonly keyPrefix: string;
  /** All primaries at this moment. */
  readonly nodes: () => readonly ScannedNode[];
  /** Whether they have all slots between them. @defaultValue true */
  readonly isWhole?: () => boolean;
  readonly clock: Clock;
  /** A server that is away is waited for so long, in ms. @defaultValue `SCANNING.patienceMs` */
  readonly patienceMs?: number;
}

/** What is asked of one server. `null`: it did not answer. */
type Ask = <T>(node: ScannedNode, question: (client: Redis) => Promise<T>) => Promise<T | null>;

/**
 * SCAN on every primary. A cursor means something only to the server that gave it, so a server is known by the run that it names (`run_id`) and the slots that it serves: what was gone over is what it was at the beginning.
 * Another one in its place, or with other slots, is gone over from the beginning.
 */
export class KeyScan implements StoredKeys {
  readonly topology: StoredKeys['topology'];
  readonly keyPrefix: string;
  readonly #nodes: () => readonly ScannedNode[];
  readonly #isWhole: () => boolean;
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #keys = new Map<string, number>();

  constructor({ topology, keyPrefix, nodes, isWhole = () => true, clock, patienceMs = SCANNING.patienceMs }: KeyScanOptions) {
    this.#patienceMs = patienceMs;
    this.#isWhole = isWhole;
    this.#clock = clock;
    this.topology = topology;
    this.keyPrefix = keyPrefix;
    this.#nodes = nodes;
  }

  async count(signal: AbortSignal): Promise<number> {
    await this.#next(new Set(), signal);
    return [...this.#keys.values()].reduce((sum, keys) => sum + keys, 0);
  }

  async *pages(start: string, signal: AbortSignal): AsyncGenerator<readonly string[]> {
    const done = new Set<string>();
    const most = this.#nodes().length + SCANNING.restarts;
    for (let begun = 0; ; begun += 1) {
      const next = await this.#next(done, signal);
      if (next === null) return;
      if (begun >= most) throw unavailable(`${SCANNING.restarts} times another server took over, or slots moved, meanwhile`);
      if (yield* this.#scan(next.node, next.identity, start, signal)) done.add(next.identity);
    }
  }

  /** A primary that has not been gone over as it is now; `null`: all have. */
  async #next(done: ReadonlySet<string>, signal: AbortSignal): Promise<{ node: ScannedNode; identity: string } | null> {
    return this.#patiently(signal, async () => {
      const nodes = this.#nodes();
      const identities = await Promise.all(nodes.map((node) => this.#identity(node)));
      // One that is away may be one that was gone over, or not: it is waited for, or for who takes over.
      if (nodes.length === 0 || identities.includes(null) || !this.#isWhole()) return null;
      for (const name of this.#keys.keys()) if (!nodes.some((node) => node.name === name)) this.#keys.delete(name);
      const at = identities.findIndex((identity) => identity !== null && !done.has(identity));
      return { found: at < 0 ? null : { node: nodes[at] as ScannedNode, identity: identities[at] as string } };
    });
  }

  /** Goes over one server; whether it came to its end. If another one answered in its place meanwhile, that one is not among those that were gone over. */
  async *#scan(node: ScannedNode, identity: string, start: string, signal: AbortSignal): AsyncGenerator<readonly string[], boolean> {
    const pattern = `${escaped(this.keyPrefix + start)}*`;
    let cursor = '0';
    do {
      const page = await this.#patiently(signal, async () => {
        if (!this.#nodes().some(({ link }) => link === node.link)) return { found: null };
        const answer = await this.#ask(node, (client) => client.scan(cursor, 'MATCH', pattern, 'COUNT', SCANNING.count));
        if (answer !== null) return { found: answer };
        // It is back, perhaps, and is it still the same?
        const now = await this.#identity(node);
        return now === null || now === identity ? null : { found: null };
      });
      if (page === null) return false;
      cursor = page[0];
      if (page[1].length > 0) yield page[1].map((key) => key.slice(this.keyPrefix.length));
    } while (cursor !== '0');
    return true;
  }

  async #identity(node: ScannedNode): Promise<string | null> {
    const answers = await this.#ask(node, (client) => Promise.all([client.info(), node.slots(client)]));
    if (answers === null) return null;
    const [text, slots] = answers;
    const info = parseInfo(text);
    const { keys, role } = factsOf(info);
    // A primary of before serves nobody's keys any more.
    if (role !== 'primary') return null;
    this.#keys.set(node.name, keys ?? 0);
    return `${node.name} ${info.get('run_id') ?? ''} ${slots}`;
  }

  readonly #ask: Ask = async ({ link }, question) => {
    const pass = link.connection === 'up' ? link.breaker.enter() : null;
    if (pass === null) return null;
    try {
      const answer = await question(link.client);
      pass.answered();
      return answer;
    } catch (error) {
      pass.failed(error);
      if (error instanceof Error && error.message.startsWith('NOPERM'))
        throw new ForebayError(
          'RIGHTS_MISSING',
          `the user that we log in as on Redis lacks a right: ${error.message}; give it +scan and +info, docs/redis.md has them all`,
          { cause: error },
        );
      return null;
    }
  };

  /** Asks until there is an answer. */
  async #patiently<T>(signal: AbortSignal, ask: () => Promise<{ readonly found: T } | null>): Promise<T> {
    const giveUpAt = this.#clock.now() + this.#patienceMs;
    for (;;) {
      signal.throwIfAborted();
      const answer = await ask();
      if (answer !== null) return answer.found;
      if (this.#clock.now() >= giveUpAt) throw unavailable(`a server did not answer for ${this.#patienceMs / 1000} s`);
      await pause(this.#clock, SCANNING.lookMs, signal);
    }
  }
}

/** As a pattern of MATCH. */
const escaped = (text: string): string => text.replaceAll(/[\\*?[\]]/g, String.raw`\$&`);

function unavailable(why: string): ForebayError {
  return new ForebayError('REDIS_UNAVAILABLE', `not all keys of Redis could be gone over: ${why}; try again when it is calm`);
}
