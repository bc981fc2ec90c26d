import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { ForebayError } from '../core/errors.ts';
import type { Config, ConfigOption } from '../service/config.ts';
import { createLogger } from '../service/logger.ts';
import { startService } from '../service/server.ts';
import type { AskOptions } from './ask-service.ts';
import { askService, openAnswer, serviceUrl } from './ask-service.ts';
import { Closing } from '../core/closing.ts';
import { followService } from './follow-service.ts';
import { openRuntime } from './runtime.ts';
import { addSettingFlags, configOf } from './setting-flags.ts';
import type { Shell } from './shell.ts';

/** An answer whose body is to come begins within so long, in ms: longer than a service waits itself for a Redis that is away. */
const BEGIN_MS = 60_000;

const USED: ReadonlySet<string> = new Set(['host', 'port', 'token', 'tokenFile']);
const isUsed = ({ name }: ConfigOption): boolean => USED.has(name);

/** Gives a command what it takes to ask a running service: `--url`, and the settings that say where it is and what token it wants. */
export function addServiceFlags(command: Command): void {
  command.option('--url <URL>', 'where the service is (default: the host and port of the settings)');
  addSettingFlags(command, isUsed);
}

/** As `addServiceFlags`, for a command that can do without a running service: with `--alone` it opens what the settings say itself. */
export function addServiceOrAloneFlags(command: Command): void {
  command
    .option('--url <URL>', 'where the service is (default: the host and port of the settings)')
    .option('--alone', 'ask no service: open the database and Redis of the settings in this process, for as long as it takes');
  addSettingFlags(command);
}

/** `signal`: in place of the shell's. */
type More = Pick<AskOptions, 'body' | 'stream' | 'also'> & Partial<Pick<AskOptions, 'signal'>>;

/** Questions to the service that a command line means. */
export interface ServiceCaller {
  readonly url: URL;
  /** @throws {ForebayError} `SERVICE_UNREACHABLE`, `UNAUTHORIZED`, `INPUT_INVALID` */
  ask<T>(path: string, schema: Schema<T>, more?: More): Promise<T>;
  /** Asks for work that is told line by line, and resolves to its result. @throws {ForebayError} as `ask` */
  follow<P, R>(path: string, schemas: { readonly progress: Schema<P>; readonly result: Schema<R> }, more: Follow<P>): Promise<R>;
  /** An answer whose body is still to come. @throws {ForebayError} as `ask` */
  open(path: string, more?: More): Promise<Response>;
}

interface Follow<P> extends More {
  readonly onProgress: (progress: P) => void;
}

/** As much of a schema as is needed here. */
interface Schema<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

/** @throws {ForebayError} `CONFIG_INVALID`, `INPUT_INVALID` */
export function serviceOf(command: Command, shell: Shell): ServiceCaller {
  const config = configOf(command, shell);
  return callerOf(serviceUrl(command.opts<{ url?: string }>().url, config), config.token, shell);
}

/**
 * Does `work` with the service that a command line means: a running one, or with `--alone` one of its own, which listens on loopback only and is closed afterwards.
 * @throws {ForebayError} as `serviceOf`; with `--alone` also `DATA_DIR_IN_USE`, `DATABASE_UNAVAILABLE`, `SCHEMA_NEWER`, and `CLOSED` when told to stop while it opens
 */
export async function withService<T>(command: Command, shell: Shell, work: (service: ServiceCaller) => Promise<T>): Promise<T> {
  const { alone = false, url } = command.opts<{ alone?: boolean; url?: string }>();
  if (!alone) return work(serviceOf(command, shell));
  if (url !== undefined)
    throw new ForebayError('INPUT_INVALID', '--alone asks no service: leave out --url, or --alone', { field: 'alone' });
  const config = configOf(command, shell);
  const logger = createLogger({ level: quieter(config.logLevel), format: config.logFormat });
  const closing = new Closing();
  try {
    const { forebay } = await openRuntime({ ...config, warm: 'off' }, shell, logger, closing);
    const token = randomBytes(24).toString('hex');
    const service = await startService({ forebay, config: { ...config, host: '127.0.0.1', port: 0, token, logRequests: 'none' }, logger });
    closing.add('HTTP service', () => service.close());
    return await work(callerOf(new URL(service.url), token, shell));
  } finally {
    for (const { name, error } of await closing.close()) logger.error({ error }, `closing the ${name} failed`);
  }
}

/** A service that lives for one command has nothing to tell but what goes wrong, unless more was asked for. */
export const quieter = (level: Config['logLevel']): Config['logLevel'] => (level === 'info' ? 'warn' : level);

function callerOf(url: URL, token: string | null, shell: Shell): ServiceCaller {
  const options = { url, token, signal: shell.stop };
  const checked = <T>(schema: Schema<T>, answer: unknown): T => {
    const read = schema.safeParse(answer);
    if (read.success) return read.data;
    throw new ForebayError(
      'SERVICE_UNREACHABLE',
      `what ${url.origin} answered is nothing that this version reads: is it a service of Forebay, of the same version?`,
    );
  };
  return {
    url,
    ask: async (path, schema, more = {}) => checked(schema, await askService(path, { ...options, ...more })),
    follow: async (path, { progress, result }, { onProgress, ...more }) =>
      checked(result, await followService(path, { ...options, ...more }, (told) => onProgress(checked(progress, told)))),
    open: async (path, more = {}) => {
      const late = new AbortController();
      const timer = setTimeout(() => late.abort(new DOMException('no answer began', 'TimeoutError')), BEGIN_MS);
      try {
        const { signal = options.signal } = more;
        return await openAnswer(path, { ...options, ...more, signal: AbortSignal.any([signal, late.signal]) });
      } finally {
        // From here on the answer takes its time.
        clearTimeout(timer);
      }
    },
  };
}
