import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** A Lua script: its text, and the name under which the server knows it. */
export interface Script {
  readonly lua: string;
  readonly sha1: string;
}

/** One call of a script. */
export interface ScriptCall {
  readonly script: Script;
  readonly keys: readonly string[];
  readonly args: readonly (string | Buffer)[];
}

function load(name: string): Script {
  const lua = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
  return { lua, sha1: createHash('sha1').update(lua).digest('hex') };
}

const ACQUIRE = load('acquire');
const FILL = load('fill');
const PUT = load('put');
const INVALIDATE_KEYS = load('invalidate-keys');
const INVALIDATE_TAGS = load('invalidate-tags');
const READ_TAGS = load('read-tags');
const APPLY_ENTRY = load('apply-entry');
const OPEN_LOG = load('open-log');
const CLUSTER_APPLY_ENTRY = load('cluster-apply-entry');
const CLUSTER_OPEN_LOG = load('cluster-open-log');
const CLUSTER_READ = load('cluster-read');

/** A value and its lease: two keys of one Cluster slot, since both names hold the same `{…}`. */
export function pair(key: string): [value: string, lease: string] {
  return [key, `${key}:lease`];
}

export function acquire(key: string, token: string, leaseMs: number, replace: boolean): ScriptCall {
  return { script: ACQUIRE, keys: pair(key), args: [token, String(leaseMs), replace ? '1' : '0'] };
}

export interface FillArgs {
  readonly beforeClock: string;
  readonly afterClock: string | Buffer;
  readonly expireMs: number;
  readonly loadedAgoMs: number;
}

export function fill(key: string, token: string, args: FillArgs): ScriptCall {
  const { beforeClock, afterClock, expireMs, loadedAgoMs } = args;
  return { script: FILL, keys: pair(key), args: [token, beforeClock, afterClock, String(expireMs), String(loadedAgoMs)] };
}

export function put(key: string, args: Omit<FillArgs, 'loadedAgoMs'>, channel: string, message: string): ScriptCall {
  const { beforeClock, afterClock, expireMs } = args;
  return { script: PUT, keys: pair(key), args: [beforeClock, afterClock, String(expireMs), channel, message] };
}

export function invalidateKeys(keys: readonly string[], channel: string, message: string): ScriptCall {
  return { script: INVALIDATE_KEYS, keys: keys.flatMap(pair), args: [channel, message] };
}

export interface InvalidateTagsArgs {
  readonly channel: string;
  readonly origin: string;
  readonly newGeneration: string;
  readonly all: boolean;
  readonly purge: boolean;
  readonly buckets: readonly number[];
}

export function invalidateTags(table: string, args: InvalidateTagsArgs): ScriptCall {
  const { channel, origin, newGeneration, all, purge, buckets } = args;
  return {
    script: INVALIDATE_TAGS,
    keys: [table],
    args: [channel, origin, newGeneration, all ? '1' : '0', purge ? '1' : '0', ...buckets.map(String)],
  };
}

export function readTags(table: string, newGeneration: string, lostGeneration: string): ScriptCall {
  return { script: READ_TAGS, keys: [table], args: [newGeneration, lostGeneration] };
}

export interface ApplyEntryArgs {
  readonly epoch: string;
  readonly number: number;
  readonly channel: string;
  readonly message: string;
  readonly all: boolean;
  readonly buckets: readonly number[];
}

/** `log`: the table and its head. */
export function applyEntry(log: readonly [string, string], keys: readonly string[], args: ApplyEntryArgs): ScriptCall {
  const { epoch, number, channel, message, all, buckets } = args;
  return {
    script: APPLY_ENTRY,
    keys: [...log, ...keys.flatMap(pair)],
    args: [epoch, String(number), channel, message, all ? '1' : '0', ...buckets.map(String)],
  };
}

/** As `applyEntry`, on one node of a Cluster. `slots`: those of this node; `values`: names and slots of the values that are there. */
export function clusterApplyEntry(
  log: readonly [string, string],
  values: readonly (readonly [key: string, slot: number])[],
  args: ApplyEntryArgs & { readonly slots: string },
): ScriptCall {
  const { epoch, number, channel, message, all, slots, buckets } = args;
  const names = values.flatMap(([key, slot]) => [key, String(slot)]);
  return {
    script: CLUSTER_APPLY_ENTRY,
    keys: [...log],
    args: [epoch, String(number), channel, message, all ? '1' : '0', slots, String(buckets.length), ...buckets.map(String), ...names],
  };
}

/** As `openLog`, on one node of a Cluster. */
export function clusterOpenLog(
  log: readonly [string, string],
  slots: string,
  epoch: string,
  number: number,
  seen: number | 'none' | null,
): ScriptCall {
  return { script: CLUSTER_OPEN_LOG, keys: [...log], args: [epoch, String(number), seen === null ? '' : String(seen), slots] };
}

export function clusterRead(head: string, keys: readonly string[]): ScriptCall {
  return { script: CLUSTER_READ, keys: [head], args: keys };
}

/** `seen`: the fence that must not go on; `null` only makes a table that is gone. */
export function openLog(log: readonly [string, string], epoch: string, number: number, seen: number | 'none' | null): ScriptCall {
  return { script: OPEN_LOG, keys: [...log], args: [epoch, String(number), seen === null ? '' : String(seen)] };
}
