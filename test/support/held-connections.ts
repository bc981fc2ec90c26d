import type { Redis } from 'ioredis';
import type { ConnectionOptions } from '../../src/redis/connection.ts';
import { openConnection } from '../../src/redis/connection.ts';

interface Place {
  readonly name: string;
  readonly port: number;
  /** What is sent, as far as it is text. */
  readonly text: string;
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
    const port = options.endpoint.kind === 'standalone' ? options.endpoint.port : 0;
    const held = async <T>(text: string, run: () => Promise<T>): Promise<T> => {
      const place = { name: options.name, port, text };
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
      call: (...args: unknown[]) => held(args.join(' '), () => call(...args)),
      callBuffer: (...args: unknown[]) => held(args.join(' '), () => callBuffer(...args)),
      pipeline: () => {
        const made = pipeline();
        const exec = made.exec.bind(made);
        const add = made.callBuffer.bind(made) as (...args: unknown[]) => unknown;
        const texts: string[] = [];
        return Object.assign(made, {
          callBuffer: (...args: unknown[]) => {
            texts.push(args.join(' '));
            return add(...args);
          },
          exec: () => held(texts.join('\n'), () => exec()),
        });
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
