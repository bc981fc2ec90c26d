import type { FindingCode, HealthFinding, HealthReport, NodeHealth } from '../cache/health-types.ts';
import type { Clock, Timer } from '../core/clock.ts';
import type { RedisLink } from './link.ts';
import { factsOf, findingsOf, parseInfo } from './server-info.ts';

/** A server that is looked after. */
export interface WatchedNode {
  readonly name: string;
  readonly link: RedisLink;
  readonly inCluster: boolean;
}

export interface HealthOptions {
  /** All servers at this moment. */
  readonly nodes: () => readonly WatchedNode[];
  readonly clock: Clock;
  /** Told once of each thing that is found, and again only after it was gone. */
  readonly onFinding: (finding: HealthFinding) => void;
  /** @defaultValue 10,000 */
  readonly everyMs?: number;
}

const EVERY_MS = 10_000;
/** The first look, so that a wrong setting shows when a service is started. */
const FIRST_MS = 500;
const ANSWER_MS = 1000;
/** The limits of buffers are rarely changed, and asking is refused to most users. */
const ROUNDS_PER_CONFIG = 30;
/** A right that no call was refused for want of in so many rounds is taken to be there. */
const ROUNDS_TO_FORGET = 3;

/** Asks each server how it is: a PING, and INFO, which takes it a tenth of a millisecond. */
export class RedisHealth implements HealthReport {
  readonly #o: HealthOptions;
  #nodes = new Map<string, NodeHealth>();
  #bufferLimits = new Map<string, string | null>();
  #findings = new Map<string, HealthFinding>();
  /** In which round a call was last refused for want of a right, by node. */
  #refusedIn = new Map<string, number>();
  #rounds = 0;
  #timer: Timer | null = null;
  #closed = false;

  constructor(options: HealthOptions) {
    this.#o = options;
    this.#schedule(FIRST_MS);
  }

  nodes(): readonly NodeHealth[] {
    // Whether it can be asked is known without asking.
    const states = new Map(this.#o.nodes().map(({ name, link }) => [name, stateOf(link)]));
    return [...this.#nodes.values()].map((node) => Object.assign({}, node, states.get(node.node) ?? GONE));
  }

  findings(): readonly HealthFinding[] {
    return [...this.#findings.values()];
  }

  /** An error that a server answered with, of whichever call. */
  heard(node: string, { message }: Error): void {
    if (!message.startsWith('NOPERM')) return;
    this.#refusedIn.set(node, this.#rounds);
    this.#find(node, 'right_missing', `the user that we log in as lacks a right: ${message}. Give it the rights in docs/redis.md.`);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(delayMs: number): void {
    this.#timer = this.#o.clock.schedule(delayMs, () => void this.#round());
  }

  async #round(): Promise<void> {
    const watched = this.#o.nodes();
    const names = new Set(watched.map(({ name }) => name));
    for (const known of [this.#nodes, this.#bufferLimits, this.#refusedIn])
      for (const name of known.keys()) if (!names.has(name)) known.delete(name);
    for (const [key, { node }] of this.#findings) if (!names.has(node)) this.#findings.delete(key);
    await Promise.all(watched.map((node) => this.#look(node)));
    this.#rounds += 1;
    if (!this.#closed) this.#schedule(this.#o.everyMs ?? EVERY_MS);
  }

  async #look({ name, link, inCluster }: WatchedNode): Promise<void> {
    const { clock } = this.#o;
    const before = this.#nodes.get(name);
    const unknown = { ...factsOf(new Map()), node: name, ...stateOf(link), pingMs: null };
    if (link.state === 'down') {
      this.#nodes.set(name, before === undefined ? unknown : { ...before, pingMs: null });
      return;
    }
    const from = clock.now();
    const late = Promise.withResolvers<null>();
    const timer = clock.schedule(ANSWER_MS, () => late.resolve(null));
    try {
      const { client } = link;
      const isDue = this.#rounds % ROUNDS_PER_CONFIG === 0;
      const asked = [
        client.ping().then(() => clock.now() - from),
        client.info(),
        isDue ? bufferLimits(client) : Promise.resolve(undefined),
      ] as const;
      const answer = await Promise.race([Promise.all(asked), late.promise]);
      if (answer === null || this.#closed) return;
      const [pingMs, text, limits] = answer;
      if (limits !== undefined) this.#bufferLimits.set(name, limits);
      const facts = factsOf(parseInfo(text));
      this.#nodes.set(name, { ...facts, node: name, ...stateOf(link), pingMs });
      const found = findingsOf({ facts, bufferLimits: this.#bufferLimits.get(name) ?? null, inCluster });
      for (const [code, sentence] of found) this.#find(name, code, sentence);
      const isRefused = this.#rounds - (this.#refusedIn.get(name) ?? Number.NEGATIVE_INFINITY) <= ROUNDS_TO_FORGET;
      const isStill = (code: FindingCode): boolean => (code === 'right_missing' ? isRefused : found.has(code));
      for (const [key, { node, code }] of this.#findings) if (node === name && !isStill(code)) this.#findings.delete(key);
    } catch {
      // The connection was lost: that is told of by itself.
    } finally {
      timer.cancel();
    }
  }

  #find(node: string, code: FindingCode, text: string): void {
    const key = `${node} ${code}`;
    if (this.#findings.has(key) || this.#closed) return;
    const finding = { code, node, text };
    this.#findings.set(key, finding);
    this.#o.onFinding(finding);
  }
}

type LinkState = Pick<NodeHealth, 'state' | 'connected' | 'breaker'>;

const GONE: LinkState = { state: 'down', connected: false, breaker: 'closed' };

function stateOf({ state, connection, breaker }: RedisLink): LinkState {
  return { state, connected: connection === 'up', breaker: breaker.state };
}

async function bufferLimits(client: RedisLink['client']): Promise<string | null> {
  try {
    const [, limits] = (await client.config('GET', 'client-output-buffer-limit')) as [string, string];
    return limits;
  } catch {
    return null;
  }
}
