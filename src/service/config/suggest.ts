/** Single-character edits (insert, delete, replace) between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The part of a name that tells it from others, in lower case. */
const core = (name: string): string =>
  name
    .slice(0, 64)
    .toLowerCase()
    .replace(/^(forebay_|--)/, '');

/** The name that was probably meant: about a third of its letters differ at most, letter case aside. */
export function suggest(given: string, names: readonly string[]): string | undefined {
  let best: { name: string; edits: number } | undefined;
  for (const name of names) {
    const edits = distance(core(given), core(name));
    if (edits <= Math.ceil(core(name).length / 3) && (best === undefined || edits < best.edits)) best = { name, edits };
  }
  return best?.name;
}
