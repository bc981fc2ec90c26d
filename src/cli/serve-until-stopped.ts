import type { Logger } from '../core/logger.ts';
import { ForebayError } from '../core/errors.ts';
import type { Config } from '../service/config.ts';
import { createLogger } from '../service/logger.ts';
import { startService } from '../service/server.ts';
import { Closing } from '../core/closing.ts';
import { findExample, printExamples } from './examples.ts';
import { indexFolder } from './index-folder.ts';
import { openRuntime, type Runtime } from './runtime.ts';
import { EXIT, type ExitCode, type Shell } from './shell.ts';

export interface ServeOptions {
  /** Folder to index, while serving; `null` for none. */
  readonly indexDir: string | null;
  /** Print one JSON object instead of lines for people. */
  readonly json: boolean;
}

/**
 * Serves until told to stop; resolves to the exit code.
 *
 * The service listens before the indexing begins: on a second start the records of last time are there already, and what has changed since is put
 * right while it serves, each batch with its invalidation. On a first start the records appear as they are indexed.
 */
export async function serveUntilStopped(config: Config, shell: Shell, options: ServeOptions): Promise<ExitCode> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const closing = new Closing();
  try {
    const runtime = await openRuntime(config, shell, logger, closing);
    const indexing = new AbortController();
    let indexed: Promise<void> = Promise.resolve();
    closing.add('indexing', () => {
      indexing.abort();
      return indexed;
    });
    const service = await startService({ forebay: runtime.forebay, config, logger });
    closing.add('HTTP service', () => service.close());
    if (options.json) shell.out(JSON.stringify({ url: service.url, pid: process.pid }));
    else shell.out(`Forebay serves at ${service.url} (Ctrl-C stops it)`);
    indexed = work(runtime, config, shell, logger, {
      ...options,
      url: service.url,
      signal: AbortSignal.any([indexing.signal, shell.stop]),
    });
    await stopped(shell.stop);
    if (shell.isTerminal) shell.note('Stopping; another Ctrl-C ends it at once');
    return EXIT.ok;
  } catch (error) {
    if (shell.stop.aborted && error instanceof ForebayError && error.code === 'CLOSED') return EXIT.interrupted;
    throw error;
  } finally {
    for (const { name, error } of await closing.close()) logger.error({ error }, `closing the ${name} failed`);
  }
}

interface Work extends ServeOptions {
  readonly url: string;
  readonly signal: AbortSignal;
}

/** What goes on beside serving. A failure here is told and leaves the service up. */
async function work(runtime: Runtime, config: Config, shell: Shell, logger: Logger, options: Work): Promise<void> {
  try {
    const example = await findExample(runtime.bulkStore, options.indexDir);
    if (example !== null && !options.json) printExamples(shell, options.url, example);
    if (options.indexDir === null) return;
    await indexFolder(runtime, shell, logger, { dir: options.indexDir, signal: options.signal, hash: config.hash, prune: false });
    if (example !== null || options.json) return;
    const found = await findExample(runtime.bulkStore, options.indexDir);
    if (found !== null) printExamples(shell, options.url, found);
  } catch (error) {
    if (!options.signal.aborted) logger.error({ error }, `indexing ${options.indexDir ?? ''} failed; the service goes on`);
  }
}

function stopped(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
