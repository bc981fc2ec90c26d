import type { LogNote } from '../../../../src/cache/change-log.ts';
import { decodeEntry } from '../../../../src/cache/entry.ts';
import { tagBuckets } from '../../../../src/cache/tags.ts';
import type { MemoryCopy } from '../../../support/memory-redis.ts';
import { KEYS, keysOfBuckets, TAGS } from './database.ts';
import type { Floors } from './floors.ts';
import { noFloors, raise } from './floors.ts';
import type { LogInstance, LogSettings } from './instance.ts';
import { CACHE_NAME, MAX_STALENESS_MS, openLogInstance } from './instance.ts';
import { ModelLog } from './log.ts';
import type { Op } from './program.ts';
import type { Reads } from './reads.ts';
import type { Write } from './world.ts';
import { World } from './world.ts';

const TABLE = 'forebay:log';
/** The key that is read with values. */
const HEAD = 'forebay:log:at';
const MAX_COPIES = 3;

/** A world in which the database keeps a log of changes that every process and Redis follow. */
export class LogWorld extends World<LogInstance> {
  readonly tables = [TABLE, HEAD];
  readonly log: ModelLog;
  readonly #relay: LogSettings['relay'];
  readonly #copies: MemoryCopy[] = [];
  /** No two things happen at once: what a process asks before a commit, it asked earlier than whoever was told of the commit afterwards. */
  protected override readonly momentMs = 2 ** -10;

  constructor(settings: LogSettings) {
    super(settings);
    this.#relay = settings.relay;
    this.log = new ModelLog(settings.rowsPerEntry);
    this.#copies.push(this.server.redis.copy());
  }

  protected make(name: string): LogInstance {
    const { server, clock, database, log, settings } = this;
    return openLogInstance(name, { server, clock, database, log, relay: name === 'b' ? this.#relay : 'always' }, settings);
  }

  /** Everything up to the number at which the process is; and what was committed longer ago than the bound, whatever became of the log. */
  binding({ follower }: LogInstance): Floors {
    const floors = noFloors();
    const { number } = follower.stats();
    const now = this.clock.now();
    const bind = ({ key, version }: { readonly key: string; readonly version: number }): void =>
      raise(floors, new Map([[key, { any: version, tagged: version }]]));
    for (const entry of this.log.numbered) if (entry.number <= number) bind(entry.commit);
    for (const commit of this.log.commits) if (now - commit.at > MAX_STALENESS_MS) bind(commit);
    return floors;
  }

  get isLevel(): boolean {
    const { epoch, last, waiting } = this.log;
    const [inStore, fence] = this.server.redis.hmget(TABLE, ['e', 'f']).map(String);
    if (waiting > 0 || inStore !== epoch || fence !== String(last)) return false;
    return this.instances.every((one) => {
      const { number, settling } = one.follower.stats();
      return this.isQuiet(one) && number === last && settling === 0 && one.follower.tags.point.generation === epoch;
    });
  }

  write(op: Write, instance: LogInstance, reads: Reads): void {
    const { database, log } = this;
    const { key, reach, purge } = op;
    const tags = TAGS[key] ?? [];
    // An absent entry carries no tags: what creates a record has to say its key.
    const byTag = reach === 'tag' && tags.length > 0 && database.current(key).present;
    const targets = { keys: reach === 'all' || byTag ? [] : [key], tags: byTag ? [tags.at(-1) ?? ''] : [], all: reach === 'all' };
    database.commit(key, op.present);
    log.commit({ key, version: database.current(key).version, at: this.clock.now() }, rowOf(targets, purge));
    if (op.after === 'nothing') return;
    this.intend(() => {
      const { cache } = instance;
      const keys = op.after === 'settle' ? [key] : reached(targets);
      const promised = new Map(keys.map((one) => [one, { any: database.current(one).version, tagged: 0 }]));
      const call = op.after === 'settle' ? cache.settle([key]) : purge ? cache.purge(targets) : cache.invalidate(targets);
      for (const one of op.after === 'settle' ? [key] : targets.keys) reads.isForgotten(instance, one);
      reads.follow(
        call.then(() => {
          raise(instance.own, promised);
          // As whoever writes does next.
          reads.get(instance, key);
        }),
        op.after,
      );
    });
  }

  /**
   * Between any two moments: what lies in the store and counts, for whoever is where the store is, tells of all that the entries up to there say; every process has followed the log over all that was
   * committed before the time up to which it says so; and none would serve from its memory what it may not give to a read that began now.
   */
  override check(): string | null {
    const { redis } = this.server;
    const [epoch, base, fence] = String(redis.get(HEAD)).split(' ');
    const [stampsOf] = redis.hmget(TABLE, ['e']).map(String);
    for (const key of KEYS) {
      const bytes = redis.get(`${CACHE_NAME}:{${key}}`);
      const entry = bytes === null ? null : decodeEntry(bytes);
      if (entry === null || entry.point.generation !== epoch || entry.point.stamp < Number(base)) continue;
      // Without the table, only who has followed the log for long can tell.
      if (stampsOf !== epoch && entry.buckets.length > 0) continue;
      const stamps = redis.hmget(TABLE, entry.buckets.map(String)).map(Number);
      if (stamps.some((stamp) => stamp > entry.point.stamp)) continue;
      const version = entry.absent ? this.database.lastAbsent(key) : entry.version;
      const due = this.log.numbered.findLast(({ number, commit }) => commit.key === key && number <= Number(fence));
      if (due !== undefined && version < due.commit.version) {
        return `the store at ${fence} holds version ${version} of ${key}, and entry ${due.number} told of ${due.commit.version}`;
      }
    }
    for (const instance of this.instances) {
      const { asOf, number } = { asOf: instance.follower.asOf(this.clock.now()), number: instance.follower.stats().number };
      const missed = this.log.commits.find((commit) => commit.at < asOf && !(this.log.numberOf(commit) <= number));
      if (missed !== undefined) return `${instance.name}: at ${number} it claims to know of version ${missed.version} of ${missed.key}`;
      const floors = this.binding(instance);
      for (const key of KEYS) {
        const held = instance.cache.holds(key);
        const version = held === undefined ? Number.POSITIVE_INFINITY : (held.version ?? this.database.lastAbsent(key));
        const floor = Math.max(floors.get(key)?.any ?? 0, instance.own.get(key)?.any ?? 0);
        if (version < floor) return `${instance.name}: process memory would serve version ${version} of ${key}, and ${floor} is promised`;
      }
    }
    return null;
  }

  perform(op: Op, instance: LogInstance): void {
    switch (op.op) {
      case 'copy':
        this.#copies.unshift(this.server.redis.copy());
        this.#copies.splice(MAX_COPIES);
        return;
      case 'restore':
        this.server.redis.restore(this.#copies[op.which % this.#copies.length] as MemoryCopy);
        if (op.cut) for (const { lines } of this.instances) for (const line of [lines.commands, lines.bus]) line.cut();
        return;
      case 'sweep':
        return this.log.sweep(op.keep);
      case 'renew':
        return this.log.renew(this.log.epoch);
      case 'failLog':
        instance.log.failures += 1;
        return;
      case 'reopen':
        void instance.cache.close();
        void instance.follower.close();
        this.left.push(...instance.queries);
        this.instances[this.instances.indexOf(instance)] = this.make(instance.name);
        return;
      case 'drop':
        instance.lines.bus.lostMessages = op.messages;
        return;
      default:
        throw new Error(`nothing like "${op.op}" happens in a world with a log`);
    }
  }
}

function rowOf({ keys, tags, all }: Omit<LogNote, 'purge'>, purge: boolean): LogNote {
  return { keys: keys.map((key) => `${CACHE_NAME}:{${key}}`), tags, all, purge };
}

function reached({ keys, tags, all }: Omit<LogNote, 'purge'>): readonly string[] {
  return all ? KEYS : [...keys, ...keysOfBuckets(tagBuckets(tags))];
}
