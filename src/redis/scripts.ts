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
  /** To the node to which a slot is on its way: it takes only calls that say so. @defaultValue false */
  readonly asking?: boolean;
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
const CLUSTER_GET = load('cluster-get');
const CLUSTER_FORGET = load('cluster-forget');
const CLUSTER_UNLINK = load('cluster-unlink');
const CLUSTER_TELL = load('cluster-tell');
const CLUSTER_TAG_HEAD = load('cluster-tag-head');

/** A value and its lease: two keys of one Cluster slot, since both names hold the same `{…}`. */
export function pair(key: string): [value: string, lease: string] {
  return [key, `${key}:lease`];
}

/** `marked`, here and below: values, leases and the tag table bear the mark of the server that holds them. */
export function acquire(key: string, token: string, leaseMs: number, replace: boolean, marked: boolean): ScriptCall {
  return { script: ACQUIRE, keys: pair(key), args: [token, String(leaseMs), flag(replace), flag(marked)] };
}

export interface FillArgs {
  readonly beforeClock: string;
  readonly afterClock: string | Buffer;
  readonly expireMs: number;
  readonly loadedAgoMs: number;
}

export function fill(key: string, token: string, args: FillArgs, marked: boolean): ScriptCall {
  const { beforeClock, afterClock, expireMs, loadedAgoMs } = args;
  return { script: FILL, keys: pair(key), args: [token, beforeClock, afterClock, String(expireMs), String(loadedAgoMs), flag(marked)] };
}

/** `told`: where and what others are told; `null`: by the caller, and the value is marked. */
export function put(
  key: string,
  args: Omit<FillArgs, 'loadedAgoMs'>,
  told: { readonly channel: string; readonly message: string } | null,
): ScriptCall {
  const { beforeClock, afterClock, expireMs } = args;
  const { channel, message } = told ?? { channel: '', message: '' };
  return { script: PUT, keys: pair(key), args: [beforeClock, afterClock, String(expireMs), channel, message, flag(told === null)] };
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

export function invalidateTags(table: string, args: InvalidateTagsArgs, marked: boolean): ScriptCall {
  const { channel, origin, newGeneration, all, purge, buckets } = args;
  return {
    script: INVALIDATE_TAGS,
    keys: [table],
    args: [channel, origin, newGeneration, flag(all), flag(purge), flag(marked), ...buckets.map(String)],
  };
}

export function readTags(table: string, newGeneration: string, lostGeneration: string, marked: boolean): ScriptCall {
  return { script: READ_TAGS, keys: [table], args: [newGeneration, lostGeneration, flag(marked)] };
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

/** Values that this node stored itself. */
export function clusterGet(keys: readonly string[]): ScriptCall {
  return { script: CLUSTER_GET, keys: [], args: keys };
}

/** Deletes values of this node, and their leases. */
export function clusterForget(keys: readonly string[]): ScriptCall {
  return { script: CLUSTER_FORGET, keys: [], args: keys };
}

/** `asking`: of a node to which the slot is on its way. */
export function clusterUnlink(key: string, asking: boolean): ScriptCall {
  return { script: CLUSTER_UNLINK, keys: [key], args: [], asking };
}

export function clusterTell(channel: string, message: string): ScriptCall {
  return { script: CLUSTER_TELL, keys: [channel], args: [message] };
}

export function clusterTagHead(table: string): ScriptCall {
  return { script: CLUSTER_TAG_HEAD, keys: [table], args: [] };
}

/** `seen`: the fence that must not go on; `null` only makes a table that is gone. */
export function openLog(log: readonly [string, string], epoch: string, number: number, seen: number | 'none' | null): ScriptCall {
  return { script: OPEN_LOG, keys: [...log], args: [epoch, String(number), seen === null ? '' : String(seen)] };
}

function flag(isSet: boolean): '0' | '1' {
  return isSet ? '1' : '0';
}
