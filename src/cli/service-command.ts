import type { Command } from 'commander';
import { ForebayError } from '../core/errors.ts';
import type { ConfigOption } from '../service/config.ts';
import type { AskOptions } from './ask-service.ts';
import { askService, serviceUrl } from './ask-service.ts';
import { addSettingFlags, configOf } from './setting-flags.ts';
import type { Shell } from './shell.ts';

const USED: ReadonlySet<string> = new Set(['host', 'port', 'token', 'tokenFile']);
const isUsed = ({ name }: ConfigOption): boolean => USED.has(name);

/** Gives a command what it takes to ask a running service: `--url`, and the settings that say where it is and what token it wants. */
export function addServiceFlags(command: Command): void {
  command.option('--url <URL>', 'where the service is (default: the host and port of the settings)');
  addSettingFlags(command, isUsed);
}

/** Questions to the service that a command line means. */
export interface ServiceCaller {
  readonly url: URL;
  /** @throws {ForebayError} `SERVICE_UNREACHABLE`, `UNAUTHORIZED`, `INPUT_INVALID` */
  ask<T>(path: string, schema: Schema<T>, more?: Pick<AskOptions, 'body' | 'also'>): Promise<T>;
}

/** As much of a schema as is needed here. */
interface Schema<T> {
  safeParse(value: unknown): { readonly success: true; readonly data: T } | { readonly success: false };
}

/** @throws {ForebayError} `CONFIG_INVALID`, `INPUT_INVALID` */
export function serviceOf(command: Command, shell: Shell): ServiceCaller {
  const config = configOf(command, shell);
  const url = serviceUrl(command.opts<{ url?: string }>().url, config);
  return {
    url,
    ask: async (path, schema, more = {}) => {
      const answer = await askService(path, { url, token: config.token, signal: shell.stop, ...more });
      const checked = schema.safeParse(answer);
      if (checked.success) return checked.data;
      throw new ForebayError(
        'SERVICE_UNREACHABLE',
        `what ${url.origin} answered is nothing that this version reads: is it a service of Forebay, of the same version?`,
      );
    },
  };
}
