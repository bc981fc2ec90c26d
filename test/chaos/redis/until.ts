import { Redis } from 'ioredis';
import { eventually } from '../../support/eventually.ts';

const LIMIT_MS = 30_000;

/** Waits until something is so; an error counts as not yet. */
export function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  return eventually(async () => {
    if (!(await isSo())) throw new Error(`waited ${LIMIT_MS} ms in vain until ${what}`);
  }, LIMIT_MS);
}

/** Asks the server at a port of this machine, past all proxies. Rejects when it does not answer within a second. */
export async function asked<T>(port: number, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ port, host: '127.0.0.1', maxRetriesPerRequest: 1, commandTimeout: 1000 });
  client.on('error', () => {});
  try {
    return await work(client);
  } finally {
    client.disconnect();
  }
}
