/**
 * 32-bit FNV-1a of a string's UTF-16 code units, finished with murmur3's mixer so that all bits are usable.
 * Computed once per key and kept on the entry: hashing a 46-character key costs more than the sketch that uses the hash.
 * Source: http://www.isthe.com/chongo/tech/comp/fnv/ and Appleby's MurmurHash3 `fmix32`.
 */
export function hashKey(key: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < key.length; i += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(i), 0x01000193);
  }
  return mix(hash);
}

/** A further independent 32-bit hash from one that is already computed. */
export function mix(hash: number): number {
  let mixed = hash;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
