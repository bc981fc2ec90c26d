import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

/** What the proxy knows of a connection that goes through it. */
export interface ProxiedConnection {
  readonly id: number;
  /** `subscriber` from the moment the client was seen to name itself or to subscribe as a bus does; else `command`. */
  readonly kind: 'command' | 'subscriber';
  /** Bytes that the client has sent, whether they went on or not. */
  readonly bytesFromClient: number;
}

/** How one direction of a connection behaves. */
export interface Flow {
  /** Each part is held back for so long, in ms; order is kept. */
  readonly delayMs?: number;
  /** Up to so much more, drawn for each part, in ms. */
  readonly jitterMs?: number;
  /** Nothing comes through, the end of the connection included, until this is lifted: as in a network that lost its route. */
  readonly stop?: boolean;
  readonly bytesPerSecond?: number;
}

/** Trouble for some connections, those to come included. Several add up: delays are summed, the narrowest throttle holds. */
export interface Trouble {
  /** @defaultValue all connections */
  readonly select?: (connection: ProxiedConnection) => boolean;
  readonly toServer?: Flow;
  readonly toClient?: Flow;
  /** New connections are reset at once. Regards all of them, since nothing is known of a new one. */
  readonly refuse?: boolean;
}

export interface FaultProxyOptions {
  /** Port of the real server, on loopback. */
  readonly target: number;
  /** Source of jitter. @defaultValue `Math.random` */
  readonly random?: () => number;
}

/** Bytes held for one direction; past that the sender is not read from, and feels it as back-pressure. */
const MAX_HELD_BYTES = 1024 ** 2;
const SUBSCRIBES = /\bS?SUBSCRIBE\b|forebay-bus/i;
/** A word may be cut in two by the end of a part. */
const TAIL_BYTES = 16;

interface Part {
  readonly bytes: Buffer;
  readonly dueAt: number;
}

/** One direction of a connection: a queue of parts, each with the time before which it does not go on. */
class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #flow: () => Flow;
  readonly #random: () => number;
  #parts: Part[] = [];
  #heldBytes = 0;
  #ended = false;
  #lastDueAt = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(from: Socket, to: Socket, flow: () => Flow, random: () => number, onBytes: (bytes: Buffer) => void) {
    this.#from = from;
    this.#to = to;
    this.#flow = flow;
    this.#random = random;
    from.on('data', (bytes: Buffer) => {
      onBytes(bytes);
      this.#take(bytes);
    });
    from.on('end', () => {
      this.#ended = true;
      this.pump();
    });
    to.on('drain', () => this.pump());
  }

  #take(bytes: Buffer): void {
    const { delayMs = 0, jitterMs = 0 } = this.#flow();
    this.#lastDueAt = Math.max(this.#lastDueAt, performance.now() + delayMs + this.#random() * jitterMs);
    this.#parts.push({ bytes, dueAt: this.#lastDueAt });
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > MAX_HELD_BYTES) this.#from.pause();
    this.pump();
  }

  /** Sends what may go. Called when a part comes, falls due, or the rules change. */
  pump(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    const { stop = false, bytesPerSecond } = this.#flow();
    while (!this.#to.writableNeedDrain) {
      const part = stop ? undefined : this.#parts[0];
      if (part === undefined) break;
      const waitMs = part.dueAt - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.pump(), waitMs);
        return;
      }
      this.#parts.shift();
      this.#heldBytes -= part.bytes.length;
      if (!this.#to.destroyed) this.#to.write(part.bytes);
      if (bytesPerSecond !== undefined) this.#holdBack((part.bytes.length / bytesPerSecond) * 1000);
    }
    if (this.#heldBytes <= MAX_HELD_BYTES && this.#from.isPaused()) this.#from.resume();
    if (this.#ended && !stop && this.#parts.length === 0) this.#to.end();
  }

  #holdBack(ms: number): void {
    const from = performance.now() + ms;
    this.#parts = this.#parts.map(({ bytes, dueAt }) => ({ bytes, dueAt: Math.max(dueAt, from) }));
    this.#lastDueAt = Math.max(this.#lastDueAt, from);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#parts = [];
  }
}

/** A socket whose sending side was ended already cannot be reset any more: its handle would stay open for ever. */
function reset(socket: Socket): void {
  if (socket.writableEnded) socket.destroy();
  else if (!socket.destroyed) socket.resetAndDestroy();
}

class Connection implements ProxiedConnection {
  readonly id: number;
  kind: 'command' | 'subscriber' = 'command';
  bytesFromClient = 0;
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #lanes: readonly [Lane, Lane];
  #tail = '';

  constructor(id: number, client: Socket, server: Socket, proxy: FaultProxy, random: () => number) {
    this.id = id;
    this.#client = client;
    this.#server = server;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      // Ends of connections are passed on in order by the lanes; an error is told to the other side as a reset.
      socket.on('error', () => {});
    }
    client.on('close', (failed) => failed && reset(server));
    server.on('close', (failed) => failed && reset(client));
    this.#lanes = [
      new Lane(
        client,
        server,
        () => proxy.flowOf(this, 'toServer'),
        random,
        (bytes) => this.#sniff(bytes),
      ),
      new Lane(
        server,
        client,
        () => proxy.flowOf(this, 'toClient'),
        random,
        () => {},
      ),
    ];
  }

  #sniff(bytes: Buffer): void {
    this.bytesFromClient += bytes.length;
    if (this.kind === 'subscriber') return;
    const text = this.#tail + bytes.toString('latin1');
    if (SUBSCRIBES.test(text)) this.kind = 'subscriber';
    this.#tail = text.slice(-TAIL_BYTES);
  }

  pump(): void {
    for (const lane of this.#lanes) lane.pump();
  }

  cut(how: 'reset' | 'drop'): void {
    for (const lane of this.#lanes) lane.stop();
    for (const socket of [this.#client, this.#server]) {
      if (how === 'reset') reset(socket);
      else socket.destroySoon();
    }
  }
}

/**
 * A TCP proxy on a free loopback port before a real server, with which a test makes the network misbehave: for all connections or for some, in one direction or both. It never makes up, changes or
 * reorders bytes. Close it when done.
 */
export class FaultProxy implements AsyncDisposable {
  readonly #server = createServer({ allowHalfOpen: true, noDelay: true });
  readonly #connections = new Set<Connection>();
  readonly #troubles = new Set<Trouble>();
  readonly #random: () => number;
  #target: number;
  #ids = 0;

  private constructor(options: FaultProxyOptions) {
    this.#target = options.target;
    this.#random = options.random ?? Math.random;
    this.#server.on('connection', (client) => this.#accept(client));
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): readonly ProxiedConnection[] {
    return [...this.#connections];
  }

  /** Imposes trouble; the result lifts it. What was held then goes on its way. */
  impose(trouble: Trouble): () => void {
    this.#troubles.add(trouble);
    this.#pumpAll();
    return () => {
      this.#troubles.delete(trouble);
      this.#pumpAll();
    };
  }

  /** Ends connections that are there now, with RST (`reset`) or FIN (`drop`), on both sides. What was held is lost. */
  cut(how: 'reset' | 'drop', select: (connection: ProxiedConnection) => boolean = () => true): void {
    for (const connection of this.#connections) if (select(connection)) connection.cut(how);
  }

  /** New connections go to this port from now on; those that are there stay where they are. */
  retarget(port: number): void {
    this.#target = port;
  }

  /** What all troubles come to for one direction of a connection. */
  flowOf(connection: ProxiedConnection, direction: 'toServer' | 'toClient'): Flow {
    let delayMs = 0;
    let jitterMs = 0;
    let stop = false;
    let bytesPerSecond: number | undefined;
    for (const { select, [direction]: flow } of this.#troubles) {
      if (flow === undefined || select?.(connection) === false) continue;
      delayMs += flow.delayMs ?? 0;
      jitterMs += flow.jitterMs ?? 0;
      stop ||= flow.stop ?? false;
      if (flow.bytesPerSecond !== undefined) bytesPerSecond = Math.min(bytesPerSecond ?? Number.POSITIVE_INFINITY, flow.bytesPerSecond);
    }
    return { delayMs, jitterMs, stop, ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) };
  }

  async close(): Promise<void> {
    this.cut('reset');
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, 'close');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #accept(client: Socket): void {
    client.on('error', () => {});
    if ([...this.#troubles].some(({ refuse }) => refuse)) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.#target, host: '127.0.0.1', allowHalfOpen: true });
    this.#ids += 1;
    const connection = new Connection(this.#ids, client, server, this, this.#random);
    this.#connections.add(connection);
    let open = 2;
    for (const socket of [client, server]) {
      socket.on('close', () => {
        open -= 1;
        if (open === 0) this.#connections.delete(connection);
      });
    }
  }

  #pumpAll(): void {
    for (const connection of this.#connections) connection.pump();
  }
}
