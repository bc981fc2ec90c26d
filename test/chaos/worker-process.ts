import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FaultProxy } from '../support/fault-proxy.ts';
import type { RedisFront } from './redis/front.ts';
import type { Answer, Command, WorkerSetup } from './protocol.ts';

const WORKER = fileURLToPath(new URL('./worker.ts', import.meta.url));
const START_MS = 60_000;

/** A worker as the coordinator sees it: one incarnation of a process. */
export class WorkerProcess {
  readonly #child;
  readonly #waiting = new Map<number, { resolve: (answer: Answer) => void; reject: (error: Error) => void }>();
  #asked = 0;
  readonly ended: Promise<void>;
  #alive = true;
  #words = '';

  private constructor(setup: WorkerSetup) {
    this.#child = fork(WORKER, [JSON.stringify(setup)], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], execArgv: [] });
    this.#child.stderr?.on('data', (bytes: Buffer) => (this.#words = (this.#words + bytes.toString()).slice(-2000)));
    const atExit = (): void => void this.#child.kill('SIGKILL');
    process.once('exit', atExit);
    this.ended = once(this.#child, 'exit').then(() => {
      process.off('exit', atExit);
      this.#alive = false;
      for (const { reject } of this.#waiting.values()) reject(new Error(`worker ${setup.process} ended. ${this.#words}`));
      this.#waiting.clear();
    });
    this.#child.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.resolve(answer);
      this.#waiting.delete(answer.id);
    });
    this.#child.on('error', () => {});
  }

  /** Resolves when its cache is open. */
  static async start(setup: WorkerSetup): Promise<WorkerProcess> {
    const worker = new WorkerProcess(setup);
    await worker.#answer(0, START_MS, 'open');
    return worker;
  }

  get alive(): boolean {
    return this.#alive;
  }

  async ask(command: Command, timeoutMs = 60_000): Promise<Answer> {
    this.#asked += 1;
    const answered = this.#answer(this.#asked, timeoutMs, command.do);
    this.#child.send({ id: this.#asked, ...command }, () => {});
    const answer = await answered;
    if (answer.error !== undefined) throw new Error(`worker: ${answer.error}`);
    return answer;
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  #answer(id: number, timeoutMs: number, what: string): Promise<Answer> {
    if (!this.#alive) return Promise.reject(new Error(`the worker has ended. ${this.#words}`));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`the worker did not answer to "${what}" within ${timeoutMs} ms. ${this.#words}`));
      }, timeoutMs);
      const settle =
        <T>(then: (value: T) => void) =>
        (value: T): void => {
          clearTimeout(timer);
          then(value);
        };
      this.#waiting.set(id, { resolve: settle(resolve), reject: settle(reject) });
    });
  }
}

/** A process's place in the run: its two proxies stay, whoever lives in it. */
export interface Place {
  readonly index: number;
  readonly redis: RedisFront;
  readonly database: FaultProxy;
}
