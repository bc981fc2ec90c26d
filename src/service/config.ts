import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { AlertOptions } from '../alerts/options.ts';
import { ForebayError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import type { ForebayOptions } from '../forebay-options.ts';
import type { Given, Origin } from './config/gather.ts';
import { gather } from './config/gather.ts';
import type { RawValue } from './config/kinds.ts';
import { mask } from './config/mask.ts';
import type { Setting, SettingName, Settings } from './config/settings.ts';
import { envNameOf, flagOf, settingNames, settings } from './config/settings.ts';

/** The effective settings, checked and frozen, and where each came from. Paths are absolute. */
export type Config = Settings & { readonly origins: Readonly<Record<SettingName, Origin>> };

export interface ConfigInput {
  /** Values of flags by setting name (`{ port: '7070' }`), as commander gives them; and `config`, the file. */
  readonly flags?: Readonly<Record<string, unknown>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Relative paths start here. */
  readonly cwd?: string;
}

/** What help, the documentation and the CLI's flags need to know of a setting. */
export interface ConfigOption {
  readonly name: SettingName;
  /** `--body-limit-bytes`. */
  readonly flag: string;
  /** For a switch '', else what stands for the value in help: `SIZE`. */
  readonly placeholder: string;
  /** `FOREBAY_BODY_LIMIT_BYTES`. */
  readonly env: string;
  readonly description: string;
  /** What is accepted, to be read after "must be". */
  readonly rule: string;
  readonly defaultText: string;
  readonly secret: boolean;
  readonly group: Setting<unknown>['group'];
}

const DEFAULT: Origin = Object.freeze({ from: 'default', as: 'default' });

const table = settings as unknown as Readonly<Record<SettingName, Setting<unknown>>>;

/** Every setting, in the order of the documentation. */
export const configOptions: readonly ConfigOption[] = Object.freeze(
  settingNames.map((name) => {
    const { placeholder, description, rule, defaultValue, defaultText, format, secret, group } = table[name];
    return Object.freeze({
      name,
      flag: flagOf(name),
      placeholder,
      env: envNameOf(name),
      description,
      rule,
      defaultText: defaultText ?? format(defaultValue),
      secret: secret === 'value',
      group,
    });
  }),
);

const isRaw = (value: unknown): value is RawValue => ['string', 'number', 'boolean'].includes(typeof value);

/** Checks one value; a problem names it as the user did, shows it masked, and says the rule. */
function check({ name, value, origin }: Given): { value: unknown } | { problem: string } {
  const { schema, rule, secret } = table[name];
  const result = isRaw(value) ? schema.safeParse(value) : undefined;
  if (result?.success === true) return { value: result.data };
  const shown = isRaw(value)
    ? mask(value, secret)
    : secret === undefined
      ? (JSON.stringify(value) ?? String(value)).slice(0, 200)
      : '********';
  return { problem: `${origin.as}=${typeof value === 'string' ? JSON.stringify(shown.slice(0, 200)) : shown}: must be ${rule}` };
}

/** Secrets that can be given in a file instead: the setting, that of its file, and what to call it. */
const SECRETS = [
  ['token', 'tokenFile', 'token'],
  ['alertWebhookSecret', 'alertWebhookSecretFile', 'secret'],
] as const;

function readSecret(
  path: string,
  origin: Origin,
  name: 'token' | 'alertWebhookSecret',
  word: string,
): { secret: string } | { problem: string } {
  try {
    const secret = readFileSync(path, 'utf8').trim();
    if (table[name].schema.safeParse(secret).success) return { secret };
    return { problem: `${origin.as}=${JSON.stringify(path)}: the ${word} in the file must be ${table[name].rule}` };
  } catch (error) {
    return { problem: `${origin.as}=${JSON.stringify(path)}: cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

/** Paths made absolute, and secrets read from their files. */
function settle(values: Record<SettingName, unknown>, origins: Record<SettingName, Origin>, cwd: string): string[] {
  for (const name of ['data', 'index', 'tokenFile', 'alertWebhookSecretFile'] as const) {
    const path = values[name];
    if (typeof path === 'string') values[name] = resolve(cwd, path);
  }
  return SECRETS.flatMap(([name, fileName, word]) => {
    const path = values[fileName];
    if (typeof path !== 'string') return [];
    if (values[name] !== null)
      return [`${origins[fileName].as}: give the ${word} or the file that holds it, not both (${origins[name].as} is set)`];
    const read = readSecret(path, origins[fileName], name, word);
    if ('problem' in read) return [read.problem];
    values[name] = read.secret;
    origins[name] = origins[fileName];
    return [];
  });
}

/**
 * The configuration from flags, `FOREBAY_…` variables, an optional JSON file (`--config FILE` or `FOREBAY_CONFIG`) and defaults, the first of them
 * that has a value winning.
 * @throws {ForebayError} `CONFIG_INVALID`, listing everything that is wrong, one line each.
 */
export function loadConfig({ flags = {}, env = process.env, cwd = process.cwd() }: ConfigInput = {}): Config {
  const gathered = gather(flags, env, cwd);
  const problems = [...gathered.problems];
  const values = {} as Record<SettingName, unknown>;
  const origins = {} as Record<SettingName, Origin>;
  for (const name of settingNames) [values[name], origins[name]] = [table[name].defaultValue, DEFAULT];
  for (const given of gathered.given) {
    const checked = check(given);
    if ('problem' in checked) problems.push(checked.problem);
    else [values[given.name], origins[given.name]] = [checked.value, Object.freeze(given.origin)];
  }
  problems.push(...settle(values, origins, cwd));
  if (problems.length === 0 && values.alertWebhookUrl !== null && values.alertWebhookSecret === null) {
    problems.push(`${origins.alertWebhookUrl.as}: alerts are signed; give ${envNameOf('alertWebhookSecret')} or its file too`);
  }
  if (problems.length > 0) {
    throw new ForebayError(
      'CONFIG_INVALID',
      `the configuration has ${problems.length === 1 ? 'an error' : `${problems.length} errors`}:\n  ${problems.join('\n  ')}`,
    );
  }
  return Object.freeze({ ...values, origins: Object.freeze(origins) }) as Config;
}

/** The effective configuration for people or, with `json`, for programs; secrets hidden. */
export function renderConfig(config: Config, { json = false }: { readonly json?: boolean } = {}): string {
  const rows = settingNames.map((name) => {
    const { secret, format } = table[name];
    const value: unknown = config[name];
    const from = config.origins[name].as;
    if (secret === undefined || !isRaw(value)) return { name, value, text: value === null ? 'none' : format(value), from };
    const hidden = mask(value, secret);
    return { name, value: hidden, text: hidden, from };
  });
  if (json) return JSON.stringify(Object.fromEntries(rows.map(({ name, value, from }) => [name, { value, from }])), null, 2);
  const width = Math.max(...rows.map(({ name }) => name.length));
  const valueWidth = Math.min(40, Math.max(...rows.map(({ text }) => text.length)));
  return rows
    .map(({ name, text, from }) => `${name.padEnd(width)}  ${(text === '' ? '""' : text).padEnd(valueWidth)}  (${from})`)
    .join('\n');
}

export interface OpenedParts {
  readonly logger: Logger;
  /** URL of the embedded Redis that the caller started; `null` when it could not be, and Forebay runs without. Asked for only when `redisUrl` is `embedded`. */
  readonly embeddedRedisUrl?: string | null;
}

/** The options of `createForebay` for this configuration. */
export function toForebayOptions(
  config: Config,
  { logger, embeddedRedisUrl = null }: OpenedParts,
): ForebayOptions & { readonly database: string; readonly databaseConnections: number } {
  return {
    database: config.databaseUrl === 'embedded' ? `pglite:${resolve(config.data, 'database')}` : config.databaseUrl,
    redis: config.redisUrl === 'embedded' ? embeddedRedisUrl : config.redisUrl === 'none' ? null : config.redisUrl,
    keyPrefix: config.keyPrefix,
    local: { maxEntries: config.localMaxEntries, maxBytes: config.localMaxBytes, policy: config.localPolicy },
    ...(config.fixedTtlMs === 'adaptive' ? {} : { ttl: { fixedMs: config.fixedTtlMs } }),
    maxStalenessMs: config.maxStalenessMs,
    staleIfErrorMs: config.staleIfErrorMs,
    relay: config.relay,
    warm: config.warm,
    popularRows: config.popularRows,
    auditPerSecond: config.auditPerSecond,
    redisBudgetMs: config.redisBudgetMs,
    maxConcurrentLoads: config.maxConcurrentLoads,
    databaseConnections: config.databaseConnections,
    alerts: alertOptionsOf(config),
    logger,
  };
}

function alertOptionsOf(config: Config): AlertOptions {
  const { alertWebhookUrl: url, alertWebhookSecret: secret, alertInstance: instance } = config;
  return {
    ...(url === null || secret === null ? {} : { webhook: { url, secret } }),
    ...(instance === null ? {} : { instance }),
    redisDownMs: config.alertRedisDownMs,
    breakerOpenMs: config.alertBreakerOpenMs,
    boundExceededMs: config.alertBoundExceededMs,
    outboxDepth: config.alertOutboxDepth,
    outboxDeepMs: config.alertOutboxDeepMs,
    databaseWaiting: config.alertDatabaseWaiting,
    databaseOverloadMs: config.alertDatabaseOverloadMs,
    clearMs: config.alertClearMs,
  };
}
