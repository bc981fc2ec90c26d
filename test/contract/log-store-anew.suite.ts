import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Follows } from './log-store.follows.ts';
import { EPOCH, follow, KEY, logEntry, soon } from './log-store.follows.ts';
import type { RemoteWorld } from './remote-tier.world.ts';

/** What processes learn of a store that was found empty. */
export function describeEmptiedLogStore(name: string, makeWorld: () => Promise<RemoteWorld>): void {
  describe(name, () => {
    let world: RemoteWorld;
    let finder: Follows;
    let other: Follows;

    beforeEach(async () => {
      world = await makeWorld();
      [finder, other] = await Promise.all([follow(world, 0), follow(world, 0)]);
      await finder.whole.restart(EPOCH, 1, 'none', soon());
      await vi.waitFor(() => expect([finder.anew, other.anew]).toEqual([[true], [false]]));
    });
    afterEach(() => world.close());

    it.each<[string, () => Promise<unknown>]>([
      ['a relay that looks at the fence', () => finder.whole.restart(EPOCH, 1, 'none', soon())],
      ['a relay that applies an entry', () => finder.whole.apply(EPOCH, logEntry(2), soon())],
      ['a read', () => finder.store.read(KEY, soon())],
    ])('%s tells its process that it found the store so, and the others by the bus that somebody has, once each', async (_name, find) => {
      await world.flush();
      finder.anew.length = 0;
      other.anew.length = 0;
      await find();
      await vi.waitFor(() => expect([finder.anew, other.anew]).toEqual([[true], [false]]));
      await other.whole.restart(EPOCH, 1, 'none', soon());
      await other.store.read(KEY, soon());
      expect([finder.anew, other.anew]).toEqual([[true], [false]]);
    });

    it('a store that is only read again, or has to begin anew since the log does not reach back, is told apart', async () => {
      await other.store.read(KEY, soon());
      expect(other.anew).toEqual([false]);
      await other.whole.restart(EPOCH, 7, 1, soon());
      expect(other.anew).toEqual([false, true]);
    });
  });
}
