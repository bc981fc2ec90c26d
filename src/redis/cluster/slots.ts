import calculateSlot from 'cluster-key-slot';

export const SLOTS = 16_384;

/** Slots from `first` to `last`, both of them too. */
export interface SlotRange {
  readonly first: number;
  readonly last: number;
}

/** The slot of a key: by what is between its first braces, if anything is. */
export function slotOf(key: string): number {
  return calculateSlot(key);
}

const names = new Map<number, string>();
let tried = 0;

/** A short text whose slot is this one, always the same: to name a key that has to be on the node of this slot. */
export function nameOfSlot(slot: number): string {
  for (let name = names.get(slot); ; name = names.get(slot)) {
    if (name !== undefined) return name;
    const text = tried.toString(36);
    tried += 1;
    const found = calculateSlot(text);
    if (!names.has(found)) names.set(found, text);
  }
}

/** `0-5460,7000-7000` */
export function textOfRanges(ranges: readonly SlotRange[]): string {
  return ranges.map(({ first, last }) => `${first}-${last}`).join(',');
}

/** How many slots there are in these ranges. */
export function slotsIn(ranges: readonly SlotRange[]): number {
  return ranges.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** Sorted, with neighbours put together. */
export function mergeRanges(ranges: readonly SlotRange[]): SlotRange[] {
  const merged: SlotRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.first - b.first)) {
    const before = merged.at(-1);
    if (before !== undefined && before.last + 1 >= range.first)
      merged[merged.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
    else merged.push(range);
  }
  return merged;
}
