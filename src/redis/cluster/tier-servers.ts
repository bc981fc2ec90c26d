import type { BreakerControl } from '../../cache/breaker-types.ts';
import type { FillReply, LeaseHolder, LeaseReply, RemoteRead, RemoteTier } from '../../cache/remote-tier.ts';
import type { Clock } from '../../core/clock.ts';
import { systemClock } from '../../core/clock.ts';
import type { Chance } from '../../core/random.ts';
import { systemChance } from '../../core/random.ts';
import type { RedisLink, RedisOptions } from '../link.ts';
import type { Reply } from '../script-calls.ts';
import { callScript, ScriptCalls } from '../script-calls.ts';
import type { InvalidateTagsArgs, ScriptCall } from '../scripts.ts';
import { clusterForget, clusterGet, clusterTagHead, clusterTell, clusterUnlink, invalidateTags, pair, put } from '../scripts.ts';
import type { NatMap, RedisAddress } from '../server-address.ts';
import type { AskHead } from '../tag-sync.ts';
import { TagSync } from '../tag-sync.ts';
import type { TierEars, TierServers } from '../tier-servers.ts';
import { TurnBatch } from '../turn-batch.ts';
import { RedisValues } from '../values.ts';
import type { Member } from './members.ts';
import { ClusterMembers } from './members.ts';
import { MovingBus } from './moving-bus.ts';

/** What is kept for each primary. */
interface Node {
  readonly calls: ScriptCalls;
  readonly values: RedisValues;
}

interface Look {
  readonly until: number;
  readonly settle: (isLevel: boolean) => void;
}

/** A slot on its way, or a map that is out of date, is tried again after so long: the map is asked for at most every 100 ms. */
const TRY_AGAIN_MS = 50;
/** Where a key is, or will be. */
const REDIRECT = /^(MOVED|ASK) \d+ (.*):(\d+)$/;
/** Errors of a node that has not carried out what it was asked, since the slot is elsewhere or on its way. */
const ELSEWHERE = /^(MOVED|ASK|TRYAGAIN|READONLY)\b/;
const AWAY: Reply<never> = Object.freeze({ ok: false, reason: 'disconnected' });

/**
 * On all primaries of a Cluster: a value and its lease on the node of their slot, the tag table and the bus on one node, since they share a name.
 *
 * Two things are other than on one server (docs/decisions/0008 has the interleavings):
 * - What a node stored counts while that node has gone on as a primary without a break: values, leases and the tag table bear its mark. One that took over, with the last writes or without, begins with nothing, and so
 *   does a slot that has moved.
 * - Deleting and telling are two calls on two nodes, in this order. Looking at the tag table and reading values are two calls as well, sent together: whoever reads has to see what was confirmed before it began, and
 *   either answer does that by itself.
 */
export class ClusterServers implements TierServers {
  readonly apart = true;
  readonly opened: Promise<void>;
  readonly #clock: Clock;
  readonly #chance: Chance;
  readonly #prefix: string;
  /** Names both the tag table and the channel. */
  readonly #table: string;
  readonly #members: ClusterMembers<Node>;
  readonly #bus: MovingBus<Node>;
  readonly #natMap: NatMap;
  readonly #ears: TierEars;
  readonly #looks: TurnBatch<Look>;
  /** Keeps the stamps level with the table of whom the bus is on. */
  #sync: TagSync | null = null;

  constructor(options: RedisOptions, address: Extract<RedisAddress, { kind: 'cluster' }>, ears: TierEars) {
    const { clock = systemClock, chance = systemChance, keyPrefix = '' } = options;
    this.#clock = clock;
    this.#chance = chance;
    this.#prefix = keyPrefix;
    this.#table = `${keyPrefix}forebay:tags`;
    this.#natMap = address.natMap;
    this.#ears = ears;
    this.#looks = new TurnBatch(clock, (looks) => void this.#look(looks));
    this.#members = new ClusterMembers({
      redis: options,
      address,
      open: (link) => this.#openNode(link),
      onChange: () => this.#arrange(),
    });
    this.#bus = new MovingBus({
      members: this.#members,
      channel: this.#table,
      onMessage: (text) => ears.onMessage(text),
      onGap: () => ears.onGap(),
      proves: (member) => this.#proves(member),
    });
    this.opened = this.#members.opened().then(() => this.#bus.opened);
  }

  get breaker(): BreakerControl {
    return this.#members.breaker;
  }

  get asOf(): number {
    return this.#bus.asOf;
  }

  read(key: string, deadline: number): Promise<RemoteRead> {
    return this.#of(key)?.values.read(key, deadline) ?? Promise.resolve({ outcome: 'unavailable', reason: 'disconnected' });
  }

  acquire(key: string, token: string, options: Parameters<RemoteTier['acquire']>[2]): Promise<LeaseReply> {
    return this.#of(key)?.values.acquire(key, token, options) ?? Promise.resolve({ outcome: 'unavailable', reason: 'disconnected' });
  }

  fill(key: string, token: string, payload: Parameters<RemoteTier['fill']>[2]): Promise<FillReply> {
    return this.#of(key)?.values.fill(key, token, payload) ?? Promise.resolve('unavailable');
  }

  holder(key: string): Promise<LeaseHolder | null> {
    return this.#of(key)?.values.holder(key) ?? Promise.resolve(null);
  }

  async forget(keys: readonly string[], message: string, deadline: number): Promise<boolean> {
    const elsewhere = await this.#forgetByMap(
      keys.map((key) => this.#prefix + key),
      deadline,
    );
    if (elsewhere === null) return false;
    const followed = await Promise.all(elsewhere.map((name) => this.#forgetAlone(name, deadline)));
    // Told last: whoever hears of it before it was deleted could read the old value once more, and would not hear of it again.
    return followed.every(Boolean) && (await this.#tell(message, deadline));
  }

  async put(key: string, { entry, expireMs }: Parameters<RemoteTier['put']>[1], message: string, deadline: number): Promise<boolean> {
    const name = this.#prefix + key;
    const stored = await this.#runAt(name, put(name, { ...entry, expireMs }, null), deadline);
    return stored.ok && (await this.#tell(message, deadline));
  }

  stampTags(stamping: Omit<InvalidateTagsArgs, 'channel'>, deadline: number): Promise<Reply<unknown>> {
    return this.#runAt(this.#table, invalidateTags(this.#table, { ...stamping, channel: this.#table }, true), deadline);
  }

  state(): 'up' | 'down' {
    return this.#members.state();
  }

  close(): void {
    this.#sync?.end();
    this.#bus.close();
    this.#members.close();
  }

  #of(key: string): Node | undefined {
    return this.#members.of(this.#prefix + key)?.part;
  }

  #openNode(link: RedisLink): Node {
    const calls = new ScriptCalls(link);
    link.onUp(() => this.#ears.onUp());
    const head = {
      key: null,
      begin: (_: unknown, until: number) => {
        const isLevel = this.#level(until);
        return async () => ((await isLevel) ? () => true : null);
      },
    };
    const readWith = async (client: RedisLink['client'], _: string | null, keys: readonly string[]): Promise<(Buffer | null)[]> => {
      const reply = (await callScript(client, clusterGet(keys))) as unknown[];
      if (reply.includes(0)) this.#members.refresh();
      return reply.map((value) => (Buffer.isBuffer(value) ? value : null));
    };
    return { calls, values: new RedisValues(link, calls, head, readWith, true) };
  }

  #arrange(): void {
    const before = this.#bus.member;
    this.#bus.arrange();
    const { member } = this.#bus;
    if (member !== before) {
      // What a node of before still answers may be of another table.
      this.#sync?.end();
      const { tags } = this.#ears;
      const parts = { table: this.#table, tags, clock: this.#clock, chance: this.#chance, marked: true };
      this.#sync = member === null ? null : new TagSync({ ...parts, calls: member.part.calls });
    }
    this.#ears.onUp();
  }

  /** Whether the copy of the stamps is level with the table as it is now: one look for all that is read in this turn, from whichever nodes. */
  #level(until: number): Promise<boolean> {
    return new Promise((settle) => this.#looks.add({ until, settle }));
  }

  async #look(looks: readonly Look[]): Promise<void> {
    const until = looks.reduce((latest, look) => Math.max(latest, look.until), 0);
    const ask: AskHead = async () => {
      const reply = await (this.#bus.member?.part.calls.run(clusterTagHead(this.#table), until) ?? AWAY);
      if (!reply.ok) throw reply.error ?? new Error(reply.reason);
      return reply.value as Buffer[];
    };
    const isLevel = (await this.#sync?.readHead(ask)) ?? false;
    for (const look of looks) look.settle(isLevel);
  }

  /**
   * Whether the bus is still where it is heard: a former primary goes on echoing, but it answers no question about a slot that is not its own any more. Asked past the breaker, as the echo is: what is heard is heard
   * though nothing may be sent.
   */
  async #proves(member: Member<Node>): Promise<boolean> {
    const ask: AskHead = async () => (await callScript(member.link.client, clusterTagHead(this.#table))) as Buffer[];
    return this.#bus.member === member && ((await this.#sync?.readHead(ask)) ?? false) && this.#bus.member === member;
  }

  /** Deletes keys on the nodes that have them by the map. Returns those that were elsewhere; `null`: some node did not confirm. */
  async #forgetByMap(names: readonly string[], deadline: number): Promise<string[] | null> {
    const byMember = Map.groupBy(names, (name) => this.#members.of(name));
    const elsewhere = await Promise.all(
      [...byMember].map(async ([member, some]) => {
        if (member === undefined) return some;
        const reply = await member.part.calls.run(clusterForget(some), deadline);
        if (!reply.ok) return isElsewhere(reply) ? some : null;
        return (reply.value as number[]).map((place) => some[place - 1] as string);
      }),
    );
    const all = elsewhere.flatMap((some) => some ?? []);
    if (all.length > 0) this.#members.refresh();
    return elsewhere.includes(null) ? null : all;
  }

  /** Deletes the lease of a key, and when that is done the value, wherever they are; they may be on two nodes. */
  async #forgetAlone(name: string, deadline: number): Promise<boolean> {
    const [value, lease] = pair(name);
    return (await this.#unlink(lease, deadline)) && (await this.#unlink(value, deadline));
  }

  /** Follows a key to where it is on its way to. */
  async #unlink(name: string, deadline: number): Promise<boolean> {
    for (;;) {
      const member = this.#members.of(name);
      const first = await (member?.part.calls.run(clusterUnlink(name, false), deadline) ?? AWAY);
      if (first.ok) return true;
      const [, how, host = '', port = ''] = REDIRECT.exec(messageOf(first)) ?? [];
      const announced = `${host === '' ? hostOf(member) : host}:${port}`;
      const reached = this.#natMap[announced];
      const next = this.#members.named(reached === undefined ? announced : `${reached.host}:${reached.port}`);
      const reply = await (next?.part.calls.run(clusterUnlink(name, how === 'ASK'), deadline) ?? first);
      if (reply.ok) return true;
      const isMoving = member === undefined || isElsewhere(first);
      if (!isMoving || !(await this.#pause(deadline))) return false;
    }
  }

  async #tell(message: string, deadline: number): Promise<boolean> {
    return (await this.#runAt(this.#table, clusterTell(this.#table, message), deadline)).ok;
  }

  /** Runs a script on the node of a key, again while the slot is on its way. */
  async #runAt(name: string, call: ScriptCall, deadline: number): Promise<Reply<unknown>> {
    for (;;) {
      const reply = await (this.#members.of(name)?.part.calls.run(call, deadline) ?? AWAY);
      if (reply.ok || !isElsewhere(reply) || !(await this.#pause(deadline))) return reply;
    }
  }

  /** Waits a little; `false`: there is no time left for that. */
  #pause(deadline: number): Promise<boolean> {
    if (this.#clock.now() + TRY_AGAIN_MS >= deadline) return Promise.resolve(false);
    return new Promise((resolve) => void this.#clock.schedule(TRY_AGAIN_MS, () => resolve(true)));
  }
}

function messageOf(reply: Reply<unknown>): string {
  return reply.ok ? '' : (reply.error?.message ?? '');
}

function isElsewhere(reply: Reply<unknown>): boolean {
  return ELSEWHERE.test(messageOf(reply));
}

function hostOf(member: Member<Node> | undefined): string {
  return member?.name.slice(0, member.name.lastIndexOf(':')) ?? '';
}
