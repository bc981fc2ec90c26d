import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Worker {
  ask(question: { readonly do: 'get' | 'loads'; readonly key?: string }): Promise<{ readonly value: unknown }>;
  /** SIGKILL; rejects what was asked and not answered. */
  kill(): Promise<void>;
}

/** Starts a process with a cache of its own; resolves when it is connected to Redis. */
export async function startWorker(options: { url: string; loadMs: number }): Promise<Worker> {
  const child = fork(fileURLToPath(new URL('./cache-worker.ts', import.meta.url)), [options.url, String(options.loadMs)]);
  const waiting = new Map<number, { resolve: (answer: { value: unknown }) => void; reject: (error: Error) => void }>();
  let asked = 0;
  const exited = once(child, 'exit');
  const answer = (id: number): Promise<{ value: unknown }> => new Promise((resolve, reject) => void waiting.set(id, { resolve, reject }));
  child.on('message', (message: { id: number; value: unknown }) => {
    waiting.get(message.id)?.resolve(message);
    waiting.delete(message.id);
  });
  child.on('exit', () => {
    for (const { reject } of waiting.values()) reject(new Error('the process ended'));
    waiting.clear();
  });
  await answer(0);
  return {
    ask: (question) => {
      asked += 1;
      const answered = answer(asked);
      child.send({ id: asked, ...question });
      return answered;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
