import type { ProxiedConnection, Trouble } from '../../support/fault-proxy.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';

/** The way of one process to all servers of Redis: a proxy before each, and all of them as if they were one. */
export class RedisFront {
  /** Leads the process through the proxies. */
  readonly url: string;
  readonly #proxies: ReadonlyMap<number, FaultProxy>;

  private constructor(url: string, proxies: ReadonlyMap<number, FaultProxy>) {
    this.url = url;
    this.#proxies = proxies;
  }

  /** `urlOf` is given where to reach each of the ports. */
  static async open(ports: readonly number[], random: () => number, urlOf: (at: (port: number) => string) => string): Promise<RedisFront> {
    const proxies = new Map<number, FaultProxy>();
    for (const port of ports) proxies.set(port, await FaultProxy.start({ target: port, random }));
    return new RedisFront(
      urlOf((port) => `127.0.0.1:${proxies.get(port)?.port}`),
      proxies,
    );
  }

  /** Imposes trouble on the way to every server; the result lifts it. */
  impose(trouble: Trouble): () => void {
    const lifts = [...this.#proxies.values()].map((proxy) => proxy.impose(trouble));
    return () => lifts.forEach((lift) => lift());
  }

  cut(how: 'reset' | 'drop', select?: (connection: ProxiedConnection) => boolean): void {
    for (const proxy of this.#proxies.values()) proxy.cut(how, select);
  }

  /** Cuts the connections to one server. */
  cutFrom(port: number): void {
    this.#proxies.get(port)?.cut('reset');
  }

  /** What led to the server at the first port leads to the one at the second from now on. */
  retarget(port: number, to: number): void {
    this.#proxies.get(port)?.retarget(to);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.close()));
  }
}

/** `natMap` of a URL: what is announced is reached through the proxies. */
export function natMapOf(ports: readonly number[], at: (port: number) => string): string {
  return `natMap=${ports.map((port) => `127.0.0.1:${port}=${at(port)}`).join(',')}`;
}
