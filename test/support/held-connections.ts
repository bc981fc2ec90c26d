import type { Redis } from 'ioredis';
import type { ConnectionOptions } from '../../src/redis/connection.ts';
import { openConnection } from '../../src/redis/connection.ts';

interface Place {
  readonly name: string;
  readonly port: number;
}

interface Hold {
  readonly select: (place: Place) => boolean;
  readonly what: 'calls' | 'answers';
  readonly lifted: Promise<void>;
}

/** Real connections, of which a test can hold back script calls and other plain calls, or what was answered to them. Pings and subscriptions go their way. */
export class HeldConnections {
  readonly #holds = new Set<Hold>();
  #waiting = 0;

  /** How many calls or answers are held back at this moment. */
  get waiting(): number {
    return this.#waiting;
  }

  readonly connect = (options: ConnectionOptions): Redis => {
    const client = openConnection(options);
    const place = { name: options.name, port: options.endpoint.kind === 'standalone' ? options.endpoint.port : 0 };
    const held = async <T>(run: () => Promise<T>): Promise<T> => {
      await this.#wait(place, 'calls');
      try {
        return await run();
      } finally {
        await this.#wait(place, 'answers');
      }
    };
    const call = client.call.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const callBuffer = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
    const pipeline = client.pipeline.bind(client);
    return Object.assign(client, {
      call: (...args: unknown[]) => held(() => call(...args)),
      callBuffer: (...args: unknown[]) => held(() => callBuffer(...args)),
      pipeline: () => {
        const made = pipeline();
        const exec = made.exec.bind(made);
        return Object.assign(made, { exec: () => held(() => exec()) });
      },
    });
  };

  /** Holds back from here on; the result lets go. */
  hold(what: Hold['what'], select: Hold['select']): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    const hold = { select, what, lifted: promise };
    this.#holds.add(hold);
    return () => {
      this.#holds.delete(hold);
      resolve();
    };
  }

  async #wait(place: Place, what: Hold['what']): Promise<void> {
    for (const hold of this.#holds) {
      if (hold.what !== what || !hold.select(place)) continue;
      this.#waiting += 1;
      await hold.lifted;
      this.#waiting -= 1;
    }
  }
}
