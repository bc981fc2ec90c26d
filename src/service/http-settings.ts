import type { Settings } from './config/settings.ts';
import { settings } from './config/settings.ts';

const NAMES = [
  'token',
  'trustProxy',
  'bodyLimitBytes',
  'maxConnections',
  'requestTimeoutMs',
  'handlerTimeoutMs',
  'keepAliveTimeoutMs',
  'shutdownTimeoutMs',
  'logRequests',
] as const;

/** The settings that the HTTP layer itself reads. */
export type HttpSettings = Pick<Settings, (typeof NAMES)[number]>;

/** What is given, and the table's defaults for the rest. */
export function httpSettings(given: Partial<HttpSettings> = {}): HttpSettings {
  return Object.fromEntries(NAMES.map((name) => [name, given[name] ?? settings[name].defaultValue])) as unknown as HttpSettings;
}
