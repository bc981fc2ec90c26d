import { ForebayError } from '../core/errors.ts';

export interface LoadContext {
  /** Aborts when nobody waits for this load any more, or when it took longer than the hard timeout. */
  readonly signal: AbortSignal;
}

/** Loads many records at once; keys missing from the map, or mapped to `null`, do not exist. A rejection fails every key of the call. */
export interface BatchSource<K, V> {
  loadMany(keys: readonly K[], context: LoadContext): Promise<ReadonlyMap<K, V | null>>;
}

/** Loads one record; `null` or `undefined`: it does not exist. */
export type LoadFunction<K, V> = (key: K, context: LoadContext) => Promise<V | null | undefined> | V | null | undefined;

/**
 * Where records come from when no tier has them. Has to read the newest committed state (a primary, not a replica; not inside the caller's transaction).
 *
 * Values have to be what JSON can hold. Give `loadMany` where one query can answer many keys; a plain function is called once per key.
 */
export type Source<K, V> = BatchSource<K, V> | LoadFunction<K, V>;

/** A source in the one form that the engine uses. */
export interface PreparedSource<K> {
  /** Most keys of one call. */
  readonly maxBatch: number;
  /** The values as JSON; `null` for absent ones. Rejects for all keys of the call; a value that is not JSON is an error of its own key only. */
  load(keys: readonly K[], context: LoadContext): Promise<(Buffer | null | ForebayError)[]>;
}

/** @throws {ForebayError} `INPUT_INVALID` when it is neither a function nor has `loadMany`. */
export function prepareSource<K, V>(source: Source<K, V>, maxBatch: number): PreparedSource<K> {
  if (typeof source === 'function') {
    return { maxBatch: 1, load: async ([key], context) => (key === undefined ? [] : [toJson(key, await source(key, context))]) };
  }
  if (typeof source?.loadMany !== 'function') {
    throw new ForebayError('INPUT_INVALID', 'source has to be a function or an object with `loadMany(keys, { signal })`', {
      field: 'source',
    });
  }
  return {
    maxBatch,
    load: async (keys, context) => {
      const values: unknown = await source.loadMany(keys, context);
      if (!(values instanceof Map)) {
        throw new ForebayError('SOURCE_SHAPE', `loadMany has to resolve to a Map from key to value, not ${describe(values)}`);
      }
      return keys.map((key) => toJson(key, values.get(key)));
    },
  };
}

function toJson(key: unknown, value: unknown): Buffer | null | ForebayError {
  if (value === null || value === undefined) return null;
  try {
    const json = JSON.stringify(value);
    if (json !== undefined) return inOwnMemory(json);
  } catch (cause) {
    return new ForebayError('SOURCE_SHAPE', `the value of "${String(key)}" cannot be written as JSON`, { cause });
  }
  return new ForebayError('SOURCE_SHAPE', `the value of "${String(key)}" is ${describe(value)}, which JSON cannot hold`);
}

/** Not in a page of Node's pool, which an entry that is kept would keep alive whole. */
function inOwnMemory(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

function describe(value: unknown): string {
  return Array.isArray(value) ? 'an array' : value === null ? 'null' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
