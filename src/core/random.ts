import { randomBytes } from 'node:crypto';

/** Where chance comes from; passed in, so that tests can fix it. */
export interface Chance {
  /** A number in [0, 1). */
  random(): number;
  /** 16 characters of `0-9 a-f` that nobody else draws. */
  uniqueId(): string;
}

export const systemChance: Chance = Object.freeze({
  random: () => Math.random(),
  uniqueId: () => randomBytes(8).toString('hex'),
});
