import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SettingName } from './settings.ts';
import { envNameOf, flagOf, settingNames } from './settings.ts';
import { suggest } from './suggest.ts';

/** Where a value came from. */
export interface Origin {
  readonly from: 'default' | 'file' | 'env' | 'flag';
  /** The name that the user gave it: `--port`, `FOREBAY_PORT`, `"port" in forebay.json`; else `default`. */
  readonly as: string;
}

/** One value as it was given, unchecked. */
export interface Given {
  readonly name: SettingName;
  readonly value: unknown;
  readonly origin: Origin;
}

/** What was given, least important first, and what is wrong with the names. */
export interface Gathered {
  readonly given: readonly Given[];
  readonly problems: readonly string[];
}

const CONFIG_ENV = 'FOREBAY_CONFIG';

const isSetting = (name: string): name is SettingName => (settingNames as readonly string[]).includes(name);

const unknown = (shown: string, kind: string, name: string, names: readonly string[]): string => {
  const meant = suggest(name, names);
  return `${shown}: there is no such ${kind}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
};

/** Kubernetes puts such variables into every pod of a namespace that has a service called "forebay". */
function isServiceLink(name: string, value: string): boolean {
  return (
    /^FOREBAY_(SERVICE_(HOST|PORT(_.*)?)|PORT_\d+_(TCP|UDP)(_.*)?)$/.test(name) ||
    (name === 'FOREBAY_PORT' && /^(tcp|udp):\/\//.test(value))
  );
}

function fromEnv(env: Readonly<Record<string, string | undefined>>): Gathered {
  const given: Given[] = [];
  const problems: string[] = [];
  const byEnv = new Map(settingNames.map((name) => [envNameOf(name), name]));
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith('FOREBAY_') || variable === CONFIG_ENV || value === undefined) continue;
    const name = byEnv.get(variable);
    if (isServiceLink(variable, value)) {
      problems.push(`${variable}: looks like a service link that Kubernetes adds; set enableServiceLinks: false in the pod`);
    } else if (name === undefined) {
      problems.push(unknown(variable, 'variable', variable, [...byEnv.keys(), CONFIG_ENV]));
    } else if (value !== '' || name === 'token' || name === 'keyPrefix') {
      // An empty variable is an unset one, as compose files write them; but an empty token must not open the service.
      given.push({ name, value, origin: { from: 'env', as: variable } });
    }
  }
  return { given, problems };
}

function fromFlags(flags: Readonly<Record<string, unknown>>): Gathered {
  const given: Given[] = [];
  const problems: string[] = [];
  for (const [name, value] of Object.entries(flags)) {
    if (name === 'config' || value === undefined) continue;
    if (isSetting(name)) given.push({ name, value, origin: { from: 'flag', as: flagOf(name) } });
    else problems.push(unknown(flagOf(name), 'flag', flagOf(name), settingNames.map(flagOf)));
  }
  return { given, problems };
}

/** More is not a configuration file but a mistaken path. */
const MAX_FILE_CHARACTERS = 1_000_000;

function readJsonObject(path: string): { object: Record<string, unknown> } | { problem: string } {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > MAX_FILE_CHARACTERS) return { problem: `is larger than ${MAX_FILE_CHARACTERS} characters` };
    const object: unknown = JSON.parse(text);
    if (typeof object !== 'object' || object === null || Array.isArray(object)) return { problem: 'must hold one JSON object' };
    return { object: object as Record<string, unknown> };
  } catch (error) {
    // A syntax error's message quotes the text around it, which can be a secret.
    if (error instanceof SyntaxError)
      return { problem: `is not valid JSON${/ at position \d+( \(line \d+ column \d+\))?/.exec(error.message)?.[0] ?? ''}` };
    return { problem: `cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
}

function fromFile(shown: string, cwd: string, as: string): Gathered {
  const read = readJsonObject(resolve(cwd, shown));
  if ('problem' in read) return { given: [], problems: [`${as}=${JSON.stringify(shown)}: ${read.problem}`] };
  const given: Given[] = [];
  const problems: string[] = [];
  for (const [name, value] of Object.entries(read.object)) {
    const key = `${JSON.stringify(name)} in ${shown}`;
    if (isSetting(name)) given.push({ name, value, origin: { from: 'file', as: key } });
    else problems.push(unknown(key, 'setting', name, settingNames));
  }
  return { given, problems };
}

/** What the user gave, where each wins over those before it: file, variables, flags. */
export function gather(flags: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string | undefined>>, cwd: string): Gathered {
  const parts: Gathered[] = [];
  const fileFlag = flags['config'];
  const fileEnv = env[CONFIG_ENV];
  if (typeof fileFlag === 'string') parts.push(fromFile(fileFlag, cwd, '--config'));
  else if (fileEnv !== undefined && fileEnv !== '') parts.push(fromFile(fileEnv, cwd, CONFIG_ENV));
  parts.push(fromEnv(env), fromFlags(flags));
  return { given: parts.flatMap((part) => part.given), problems: parts.flatMap((part) => part.problems) };
}
