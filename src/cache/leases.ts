import type { LocalEntry } from './local-entry.ts';
import type { ResolvedOptions } from './options.ts';
import type { RemoteRead } from './remote-tier.ts';
import type { CacheCounts } from './stats.ts';

/** The pause between looks for another instance's fill grows to so many times the first. */
const MAX_POLL_GROWTH = 8;

/** What asking for the lease came to. */
export type Permission<V> =
  | { readonly kind: 'granted'; readonly token: string }
  | { readonly kind: 'found'; readonly entry: LocalEntry<V> }
  | { readonly kind: 'none' };

export interface LeaseRequest<V> {
  /** Full name. */
  readonly key: string;
  /** Longest wait for one answer, in ms. */
  readonly budgetMs: number;
  /** What lies in the tier is of no use. */
  readonly replace: boolean;
  /** Whether to wait for the fill of whoever has the lease, or to go on without one at once. Asked each time. */
  readonly waits: () => boolean;
  /** The entry in a reply, if it may be served. */
  readonly accept: (reply: Extract<RemoteRead, { outcome: 'found' }>) => LocalEntry<V> | null;
}

/** Step 4 of the read path: asks for the lease of a key, and waits a while for the fill of whoever has it. */
export class Leases<K, V> {
  readonly #o: ResolvedOptions<K, V>;
  readonly #counts: CacheCounts['leases'];

  constructor(options: ResolvedOptions<K, V>, counts: CacheCounts['leases']) {
    this.#o = options;
    this.#counts = counts;
  }

  async ask({ key, budgetMs, replace, waits, accept }: LeaseRequest<V>): Promise<Permission<V>> {
    const { remote, clock, leaseMs, leaseWaitMs, leasePollMs } = this.#o;
    const counts = this.#counts;
    const token = this.#o.uniqueId();
    const waitUntil = clock.now() + leaseWaitMs;
    let pauseMs = leasePollMs;
    let useless = replace;
    for (;;) {
      const reply = await remote.acquire(key, token, { leaseMs, replace: useless, deadline: clock.now() + budgetMs });
      switch (reply.outcome) {
        case 'granted':
          counts.granted += 1;
          return { kind: 'granted', token };
        case 'found': {
          const entry = accept(reply);
          if (entry !== null) {
            counts.filledMeanwhile += 1;
            return { kind: 'found', entry };
          }
          useless = true;
          break;
        }
        case 'unavailable':
          counts.unavailable += 1;
          // It may have been given all the same: nobody could fill the key until it ends. What is sent after it is carried out after it.
          if (reply.reason === 'budget') void remote.fill(key, token, null);
          return { kind: 'none' };
        case 'held':
          counts.held += 1;
          if (!waits()) {
            counts.notWaited += 1;
            return { kind: 'none' };
          }
          if (clock.now() >= waitUntil) {
            counts.waitedOut += 1;
            return { kind: 'none' };
          }
          await new Promise<void>((resolve) => void clock.schedule(pauseMs, resolve));
          pauseMs = Math.min(pauseMs * 2, leasePollMs * MAX_POLL_GROWTH);
          useless = false;
          break;
        default:
          return reply satisfies never;
      }
    }
  }
}
