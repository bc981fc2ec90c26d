import { setTimeout as pause } from 'node:timers/promises';
import { ForebayError } from '../../core/errors.ts';
import type { ServiceCaller } from '../service-command.ts';
import { clean } from './cells.ts';
import { eventsOf } from './event-stream.ts';
import { hotSchema, liveSchema } from './live-schema.ts';
import type { View } from './view.ts';

/** The service tells something every second. After so long without anything the connection is given up, in ms; that it is old is shown before. */
const SILENT_MS = 3_000;
/** Waits before it is asked again, in ms: the first, and the longest; each is twice the one before, less up to half of it at random. */
const RETRY_MS = 250;
const MAX_RETRY_MS = 4_000;
const HOT_EVERY_MS = 2_000;

export interface WatchOptions {
  readonly signal: AbortSignal;
  /** Called after each change of the view. */
  readonly onChange: () => void;
}

/**
 * Keeps a view up to date until the signal aborts: the stream of the service, which is opened again whenever it ends.
 * @throws {ForebayError} as `ServiceCaller.open`, when the service cannot be asked to begin with
 */
export async function watch(service: ServiceCaller, view: View, { signal, onChange }: WatchOptions): Promise<void> {
  const ended = new AbortController();
  const hot = keepHot(service, view, AbortSignal.any([signal, ended.signal]));
  try {
    let wait = RETRY_MS;
    for (let first = true; !signal.aborted; first = false) {
      try {
        await stream(service, view, signal, () => {
          wait = RETRY_MS;
          onChange();
        });
      } catch (error) {
        if (signal.aborted) return;
        if (first && view.snapshot === null) throw error;
        const delay = wait * (1 - Math.random() / 2);
        view.link = { state: 'lost', why: clean(whyOf(error)), nextAt: performance.now() + delay };
        onChange();
        await pause(delay, undefined, { signal }).catch(() => {});
        wait = Math.min(wait * 2, MAX_RETRY_MS);
        if (view.link.state === 'lost') view.link = { ...view.link, nextAt: null };
      }
    }
  } finally {
    ended.abort();
    await hot;
  }
}

/** One connection, until it ends. Always rejects. */
async function stream(service: ServiceCaller, view: View, stop: AbortSignal, onChange: () => void): Promise<never> {
  const silent = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const heard = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => silent.abort(new Error(`it is silent for ${SILENT_MS / 1000} s`)), SILENT_MS);
  };
  try {
    heard();
    const { body } = await service.open('/v1/live', { signal: AbortSignal.any([stop, silent.signal]) });
    if (body === null) throw new Error('its answer is empty');
    for await (const { event, data } of eventsOf(body)) {
      heard();
      if (event === 'bye') throw new Error('it is closing');
      if (event !== 'history' && event !== 'snapshot') continue;
      const message = read(data);
      if (event === 'history') view.begin(message, performance.now());
      else view.hear(message, performance.now());
      onChange();
    }
    throw new Error('it ended the stream');
  } finally {
    clearTimeout(timer);
  }
}

function read(data: string) {
  const parsed = liveSchema.safeParse(JSON.parse(data));
  if (parsed.success) return parsed.data;
  throw new ForebayError('SERVICE_UNREACHABLE', 'what the service tells is nothing that this version reads: is it of the same version?');
}

/** Why a connection failed, in a few words. */
function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const within = error.cause instanceof Error ? error.cause : error;
  const cause = within.cause instanceof Error ? within.cause : within;
  if ('code' in cause && typeof cause.code === 'string' && !(cause instanceof ForebayError)) return cause.code;
  return cause.message;
}

/** Keys and tags are behind the token, and asked for now and then; while they cannot be had the last ones stay. */
async function keepHot(service: ServiceCaller, view: View, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await askHot(service, view, signal);
    await pause(HOT_EVERY_MS, undefined, { signal }).catch(() => {});
  }
}

/** What is read most now. Does not reject. */
export async function askHot(service: ServiceCaller, view: View, stop: AbortSignal): Promise<void> {
  try {
    view.hot = await service.ask('/v1/cache/hot', hotSchema, { signal: AbortSignal.any([stop, AbortSignal.timeout(SILENT_MS)]) });
  } catch (error) {
    if (error instanceof ForebayError && error.code === 'UNAUTHORIZED') view.hot = 'token';
  }
}
