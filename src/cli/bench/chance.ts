/** Numbers in [0, 1) that look drawn at random and are the same for the same seed: `sfc32` of PractRand (Doty-Humphrey), period about 2^128, seeded by counting. */
export function seededChance(seed: number): () => number {
  let [a, b, c, counter] = [seed | 0, (seed / 2 ** 32) | 0, 0x9e3779b9 | 0, 1];
  const next = (): number => {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return (t >>> 0) / 2 ** 32;
  };
  // The seed has to reach every bit of the state.
  for (let i = 0; i < 12; i += 1) next();
  return next;
}
