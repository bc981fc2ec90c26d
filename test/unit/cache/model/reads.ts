import type { LookupOptions } from '../../../../src/cache/cache-types.ts';
import { ForebayError } from '../../../../src/core/errors.ts';
import type { Row } from './database.ts';
import type { Floors } from './floors.ts';
import { noFloors, raise } from './floors.ts';
import type { Instance } from './instance.ts';
import type { World } from './world.ts';

/** What a read may not go below, as known at the moment at which it began. */
interface Begun {
  readonly instance: Instance;
  readonly key: string;
  readonly what: string;
  readonly floors: Floors;
  readonly seen: number;
}

/** Whether reads that do not overlap may not go backwards at all, not even between a commit and its invalidation; or may not from one version to an older one, though to an older absence. */
export type Monotonic = 'never' | 'versions' | 'always';

/** Errors that a call may end with: the ones that the model brings about. */
const EXPECTED = new Set(['LOAD_FAILED', 'LOAD_TIMEOUT', 'DATABASE_UNAVAILABLE', 'CLOSED']);

/** Begins reads and judges their answers. The first thing that is wrong is kept and thrown by `check`. */
export class Reads {
  readonly #world: World;
  readonly #monotonic: Monotonic;
  readonly #abortable: AbortController[] = [];
  #wrong: string | null = null;
  /** Calls that have not settled. */
  pending = 0;

  constructor(world: World, monotonic: Monotonic) {
    this.#world = world;
    this.#monotonic = monotonic;
  }

  check(): void {
    const wrong = this.#wrong ?? this.#world.check();
    if (wrong !== null) throw new Error(wrong);
  }

  peek(instance: Instance, key: string): void {
    const begun = this.#begin(instance, key, 'peek');
    const row = instance.cache.peek(key);
    if (row === undefined) return;
    instance.lookups += 1;
    this.#judge(begun, row);
  }

  get(instance: Instance, key: string): void {
    const begun = this.#begin(instance, key, 'get');
    instance.lookups += 1;
    this.#follow(
      instance.cache.get(key).then((row) => this.#judge(begun, row)),
      begun.what,
    );
  }

  lookup(instance: Instance, key: string, controller?: AbortController): void {
    const begun = this.#begin(instance, key, 'lookup');
    if (controller !== undefined) this.#abortable.push(controller);
    this.#lookup(begun, controller === undefined ? {} : { signal: controller.signal });
  }

  /** A look-up with limits that only what the database holds now, or later, keeps to. */
  lookupNewest(instance: Instance, key: string, limits: Pick<LookupOptions, 'maxStalenessMs' | 'minVersion'>): void {
    const begun = this.#begin(instance, key, `lookup within ${JSON.stringify(limits)}`);
    const newest = this.#world.database.current(key).version;
    raise(begun.floors, new Map([[key, { any: newest, tagged: newest }]]));
    instance.limited += 1;
    this.#lookup(begun, limits);
  }

  #lookup(begun: Begun, options: LookupOptions): void {
    const { instance, key } = begun;
    instance.lookups += 1;
    const ended = instance.cache.lookup(key, options).then((lookup) => {
      if (lookup.outcome === 'unavailable') throw lookup.error;
      this.#judge({ ...begun, what: `lookup (${lookup.outcome})` }, lookup.outcome === 'absent' ? null : lookup.value);
    });
    this.#follow(ended, begun.what, options.signal);
  }

  getMany(instance: Instance, keys: readonly string[]): void {
    const begun = keys.map((key) => this.#begin(instance, key, 'getMany'));
    instance.lookups += keys.length;
    const ended = instance.cache.getMany(keys).then((rows) => {
      for (const one of begun) this.#judge(one, rows.get(one.key));
    });
    this.#follow(ended, 'getMany');
  }

  warm(instance: Instance, key: string): void {
    instance.warmed += 1;
    this.#follow(
      instance.cache.warm([key]).then(() => {}),
      'warm',
    );
  }

  /** A call that may only end well. */
  follow(call: Promise<void>, what: string): void {
    this.#follow(call, what);
  }

  /** What this process was just told to forget is not in its memory. */
  isForgotten({ name, cache }: Instance, key: string): void {
    if (cache.peek(key) !== undefined) this.blame(`${name}: ${key} is still in process memory though its invalidation was called`);
  }

  abort(which: number): void {
    this.#abortable.splice(which % Math.max(1, this.#abortable.length), 1)[0]?.abort(new Error('the caller left'));
  }

  blame(what: string): void {
    this.#wrong ??= what;
  }

  #begin(instance: Instance, key: string, what: string): Begun {
    const floors = noFloors();
    raise(floors, instance.own);
    raise(floors, this.#world.binding(instance));
    return { instance, key, what, floors, seen: instance.seen.get(key) ?? 0 };
  }

  #judge({ instance, key, what, floors, seen }: Begun, row: Row | null | undefined): void {
    const { database } = this.#world;
    const floor = floors.get(key);
    const title = `${instance.name}: ${what} of ${key}`;
    if (row === undefined || floor === undefined) return this.blame(`${title} gave no answer`);
    if (row === null) {
      const newest = database.lastAbsent(key);
      if (newest < floor.any) this.blame(`${title} says absent, which was so at ${newest} at the latest, and ${floor.any} is promised`);
      if (this.#monotonic === 'always' && newest < seen)
        this.blame(`${title} went backwards: absent at ${newest} at the latest after version ${seen}`);
      return;
    }
    const promised = Math.max(floor.any, floor.tagged);
    if (row.key !== key || !database.wasPresent(key, row.version)) this.blame(`${title} gave ${row.key}@${row.version}, which never was`);
    if (row.version < promised) this.blame(`${title} gave version ${row.version}, and ${promised} is promised`);
    if (this.#monotonic !== 'never' && row.version < seen) this.blame(`${title} went backwards: version ${row.version} after ${seen}`);
    instance.seen.set(key, Math.max(instance.seen.get(key) ?? 0, row.version));
  }

  #follow(call: Promise<void>, what: string, signal?: AbortSignal): void {
    this.pending += 1;
    call
      .catch((thrown: unknown) => {
        if (signal?.aborted === true && thrown === signal.reason) return;
        if (thrown instanceof ForebayError && EXPECTED.has(thrown.code)) return;
        this.blame(`${what} rejected: ${String(thrown)}`);
      })
      .finally(() => {
        this.pending -= 1;
      });
  }
}
