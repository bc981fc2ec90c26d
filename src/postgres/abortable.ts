/** The promise's outcome, or the signal's reason if that comes first. What the promise stands for goes on; its outcome is then dropped. */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  const aborted = Promise.withResolvers<never>();
  const stop = (): void => aborted.reject(signal.reason);
  if (signal.aborted) stop();
  else signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener('abort', stop);
    // Whichever of the two lost may still reject, with nobody left to hear it.
    promise.catch(() => {});
    aborted.promise.catch(() => {});
  }
}
