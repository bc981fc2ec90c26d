import { tagBuckets } from '../../../../src/cache/tags.ts';
import type { Invalidated } from '../../../support/memory-redis.ts';
import { TAGS } from './database.ts';
import type { Floors } from './floors.ts';
import { History, promisedBy, raise } from './floors.ts';
import type { Instance, Settings } from './instance.ts';
import { CACHE_NAME, MAX_STALENESS_MS, openTierInstance } from './instance.ts';
import type { Op } from './program.ts';
import type { Reads } from './reads.ts';
import type { Write } from './world.ts';
import { World } from './world.ts';

/** An invalidation that was asked for and that the server has not carried out since. */
interface Outstanding {
  readonly by: string;
  readonly keys: readonly string[];
  readonly buckets: readonly number[];
  readonly all: boolean;
}

/** A world in which whoever writes invalidates, and the others hear of it on the bus. */
export class TierWorld extends World {
  readonly tables = ['forebay:tags'];
  readonly #history = new History();
  #outstanding: Outstanding[] = [];

  constructor(settings: Settings) {
    super(settings);
    this.server.redis.onInvalidated = (change) => this.#note(change);
  }

  protected override get mark(): number {
    return this.#history.mark;
  }

  protected make(name: string): Instance {
    return openTierInstance(name, this, this.settings);
  }

  /** Heard of on the bus, or invalidated longer ago than the bound, which holds whatever became of the bus. */
  binding({ name, lines }: Instance): Floors {
    return this.#history.binding(name, lines.bus.received, this.clock.now() - MAX_STALENESS_MS);
  }

  get isLevel(): boolean {
    return this.#outstanding.length === 0 && this.instances.every((one) => this.isQuiet(one) && one.lines.bus.received === this.mark);
  }

  write(op: Write, instance: Instance, reads: Reads): void {
    const { database } = this;
    const tags = TAGS[op.key] ?? [];
    // An absent entry carries no tags: what creates a record has to say its key.
    const byTag = op.reach === 'tag' && tags.length > 0 && database.current(op.key).present;
    const targets = op.reach === 'all' ? { all: true } : byTag ? { tags: [tags.at(-1) ?? ''] } : { keys: [op.key] };
    database.commit(op.key, op.present);
    this.intend(() => {
      this.#expect(instance.name, targets);
      const change =
        'keys' in targets && targets.keys !== undefined
          ? ({ kind: 'keys', keys: targets.keys } as const)
          : ({ kind: 'tags', buckets: tagBuckets(targets.tags ?? []), all: op.reach === 'all' } as const);
      const promised = promisedBy(change, database, (key) => key);
      const call = op.purge ? instance.cache.purge(targets) : instance.cache.invalidate(targets);
      for (const key of targets.keys ?? []) reads.isForgotten(instance, key);
      // Applied or queued: the process that asked never sees anything older again, since it does not read Redis until the queue is through.
      reads.follow(
        call.then(() => raise(instance.own, promised)),
        'invalidate',
      );
    });
  }

  perform(op: Op): void {
    throw new Error(`nothing like "${op.op}" happens in a world without a log`);
  }

  /** Has to be told of each invalidation as it is asked for. */
  #expect(by: string, change: { readonly keys?: readonly string[]; readonly tags?: readonly string[]; readonly all?: boolean }): void {
    const { keys = [], tags = [], all = false } = change;
    this.#outstanding.push({ by, keys, buckets: tagBuckets(tags), all });
  }

  #note(change: Invalidated): void {
    // The first id that a process draws, which begins with its name, is its origin on the bus.
    const by = change.origin.slice(0, 1);
    this.#history.add(this.clock.now(), by, promisedBy(change, this.database, keyOf));
    this.#outstanding = this.#outstanding.filter((asked) => asked.by !== by || !covers(change, asked));
  }
}

function keyOf(remoteKey: string): string {
  return remoteKey.slice(CACHE_NAME.length + 2, -1);
}

/** Whether what was carried out does what was asked for; a change of everything does whatever was asked for. */
function covers(change: Invalidated, { keys, buckets, all }: Outstanding): boolean {
  if (change.kind === 'tags' && change.all) return true;
  if (all) return false;
  if (change.kind === 'keys') return keys.length > 0 && keys.every((key) => change.keys.map(keyOf).includes(key));
  return buckets.length > 0 && buckets.every((bucket) => change.buckets.includes(bucket));
}
