import type { Redis } from 'ioredis';
import { Bus } from '../bus.ts';
import type { ClusterMembers, Member } from './members.ts';

export interface MovingBusOptions<P> {
  readonly members: ClusterMembers<P>;
  /** Full name of a sharded channel. */
  readonly channel: string;
  onMessage(text: string): void;
  onGap(): void;
  /** As in `BusOptions`; asked of whom the bus is on. */
  readonly proves?: (member: Member<P>) => Promise<boolean>;
}

/** A bus on a sharded channel of a Cluster: it is on one node, and follows its slot from node to node. Each move is a gap. */
export class MovingBus<P> {
  readonly #o: MovingBusOptions<P>;
  #now: { readonly member: Member<P>; readonly bus: Bus; readonly client: Redis } | null = null;
  /** What was proven on nodes of before stays so. */
  #asOf = Number.NEGATIVE_INFINITY;

  constructor(options: MovingBusOptions<P>) {
    this.#o = options;
  }

  /** Whom it is on. */
  get member(): Member<P> | null {
    return this.#now?.member ?? null;
  }

  get hears(): boolean {
    return this.#now?.bus.hears ?? false;
  }

  get asOf(): number {
    return Math.max(this.#asOf, this.#now?.bus.asOf ?? Number.NEGATIVE_INFINITY);
  }

  get opened(): Promise<void> {
    return this.#now?.bus.opened ?? Promise.resolve();
  }

  /** To be called after each change of the map. */
  arrange(): void {
    const { members, channel } = this.#o;
    const member = members.of(channel);
    if (this.#now?.member === member) return;
    this.close();
    if (member !== undefined) this.#now = this.#openOn(member);
  }

  close(): void {
    if (this.#now === null) return;
    const { member, bus, client } = this.#now;
    this.#asOf = this.asOf;
    this.#now = null;
    bus.close();
    // The node may stay, and get the channel back some day.
    member.link.closeSubscriber(client);
  }

  #openOn(member: Member<P>): { readonly member: Member<P>; readonly bus: Bus; readonly client: Redis } {
    const { members, channel, proves } = this.#o;
    const { link } = member;
    const client = link.openSubscriber();
    client.on('sunsubscribe', () => {
      // The slot has left this node: another one tells from here on.
      members.refresh();
      client.disconnect(true);
    });
    const bus = new Bus({
      client,
      channel,
      sharded: true,
      clock: link.clock,
      echoMs: link.boundMs / 4,
      deadAfterMs: link.boundMs * 2,
      onMessage: (text) => this.#o.onMessage(text),
      onGap: () => this.#o.onGap(),
      ...(proves === undefined ? {} : { proves: () => proves(member) }),
    });
    return { member, bus, client };
  }
}
