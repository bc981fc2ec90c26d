import { ForebayError } from '../core/errors.ts';

/** A service that sends nothing for so long is taken for dead, in ms: longer than it waits itself for a Redis that is away. */
const SILENCE_MS = 60_000;

/** The bytes of an answer; its reader may take its time. @throws {ForebayError} `SERVICE_UNREACHABLE` when none come for a minute, or the connection breaks */
export async function* heardFrom(response: Response, { origin }: URL): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const silent = Promise.withResolvers<never>();
      const timer = setTimeout(() => silent.reject(broken(origin, `it was silent for ${SILENCE_MS / 1000} s`)), SILENCE_MS);
      let read: Awaited<ReturnType<typeof reader.read>>;
      try {
        read = await Promise.race([reader.read(), silent.promise]);
      } catch (error) {
        throw error instanceof ForebayError ? error : broken(origin, 'the connection broke', error);
      } finally {
        clearTimeout(timer);
      }
      if (read.done) return;
      yield read.value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

const broken = (origin: string, why: string, cause?: unknown): ForebayError =>
  new ForebayError('SERVICE_UNREACHABLE', `the service at ${origin} did not finish: ${why}; nothing was kept, run it again`, { cause });
