/** Which record is read next, as its number from 0; `null` when a trace has ended. */
export type KeySource = () => number | null;

/**
 * Zipf's law: record number k is read in proportion to 1 / (k + 1)^skew. Skew 0 is all alike. Drawn by searching the sums of all shares, so it is exact whatever the skew; a million records take 8 MB.
 */
export function zipfKeys(keys: number, skew: number, random: () => number): KeySource {
  const sums = new Float64Array(keys);
  let sum = 0;
  for (let k = 0; k < keys; k += 1) {
    sum += (k + 1) ** -skew;
    sums[k] = sum;
  }
  return () => {
    const drawn = random() * sum;
    let low = 0;
    let high = keys - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (drawn < (sums[middle] ?? 0)) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** The reads of a trace, in order, once. */
export function traceKeys(reads: Int32Array): KeySource {
  let at = 0;
  return () => {
    const key = reads[at];
    at += 1;
    return key ?? null;
  };
}
