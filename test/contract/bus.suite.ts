import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RemoteInvalidation, RemoteTier } from '../../src/cache/remote-tier.ts';
import { tagBuckets } from '../../src/cache/tags.ts';
import type { RemoteWorld } from './remote-tier.world.ts';

const change = (more: Partial<RemoteInvalidation>): RemoteInvalidation => ({ keys: [], buckets: [], all: false, purge: false, ...more });
const PATIENCE = { timeout: 10_000, interval: 5 };

type Heard = { keys: readonly string[]; purge: boolean } | { tags: true; purge: boolean } | 'gap';

function listenTo(tier: RemoteTier): Heard[] {
  const heard: Heard[] = [];
  tier.listen({
    onInvalidated: (keys, purge) => heard.push({ keys, purge }),
    onTagsChanged: (purge) => heard.push({ tags: true, purge }),
    onGap: () => heard.push('gap'),
  });
  return heard;
}

/** What holds for the bus of every remote tier. */
export function describeBus(name: string, openWorld: () => Promise<RemoteWorld>): void {
  describe(name, () => {
    let world: RemoteWorld;
    let a: RemoteTier;
    let b: RemoteTier;

    beforeEach(async () => {
      world = await openWorld();
      [a, b] = await Promise.all([world.open({ maxStalenessMs: 200 }), world.open({ maxStalenessMs: 200 })]);
    });
    afterEach(async () => {
      world.thaw();
      await world.close();
    });

    it('others hear of invalidations by full key names, in order; the sender does not hear itself', async () => {
      const [heardByA, heardByB] = [listenTo(a), listenTo(b)];
      await a.invalidate(change({ keys: ['f:{1}', 'f:{2}'] }));
      await a.invalidate(change({ keys: ['f:{3}'], purge: true }));
      await a.invalidate(change({ buckets: tagBuckets(['t']), purge: true }));
      const expected = [
        { keys: ['f:{1}', 'f:{2}'], purge: false },
        { keys: ['f:{3}'], purge: true },
        { tags: true, purge: true },
      ];
      await vi.waitFor(() => expect(heardByB).toEqual(expected));
      await b.invalidate(change({ keys: ['f:{4}'] }));
      await vi.waitFor(() => expect(heardByA).toEqual([{ keys: ['f:{4}'], purge: false }]));
      expect(heardByB).toEqual(expected);
    });

    it('every listener of a tier is told', async () => {
      const [one, two] = [listenTo(b), listenTo(b)];
      await a.invalidate(change({ keys: ['f:{1}'] }));
      await vi.waitFor(() => expect(two).toHaveLength(1));
      expect(one).toEqual(two);
    });

    it('what was received is proven to a time that advances while the bus lives', async () => {
      const first = b.asOf(performance.now());
      expect(first).toBeLessThanOrEqual(performance.now());
      await vi.waitFor(() => expect(b.asOf(performance.now())).toBeGreaterThan(first), PATIENCE);
    });

    it('nothing is proven while the server answers nothing, and the bus comes back with a gap', async () => {
      const heard = listenTo(b);
      world.freeze();
      const frozenAt = performance.now();
      // A timer of the test: two bounds without an echo make the bus a dead one.
      await vi.waitFor(() => expect(performance.now() - frozenAt).toBeGreaterThan(500), PATIENCE);
      expect(b.asOf(performance.now())).toBeLessThanOrEqual(frozenAt);
      world.thaw();
      await vi.waitFor(() => expect(b.asOf(performance.now())).toBeGreaterThan(frozenAt), PATIENCE);
      expect(heard).toContain('gap');
    });

    it('a lost subscription is a gap, told once it is back: what was sent in between was missed, what is sent after is heard', async () => {
      const heard = listenTo(b);
      await world.cutBus();
      await a.invalidate(change({ keys: ['f:{between}'] }));
      await vi.waitFor(() => expect(heard).toContain('gap'), PATIENCE);
      await a.invalidate(change({ keys: ['f:{after}'] }));
      await vi.waitFor(() => expect(heard.at(-1)).toEqual({ keys: ['f:{after}'], purge: false }), PATIENCE);
    });

    it('a listener that was there before the connection hears the first gap, since it may have kept things by then', async () => {
      const c = world.open();
      const tier = await c;
      const heard = listenTo(tier);
      await world.cutBus();
      await vi.waitFor(() => expect(heard).toEqual(['gap']), PATIENCE);
    });

    it.each([
      ['of another version', '{"v":2,"o":"x","k":[]}'],
      ['that is no JSON', 'invalidate everything'],
      ['with keys that are no texts', '{"v":1,"o":"x","k":[1]}'],
      ['with half a tag change', '{"v":1,"o":"x","t":{"g":"y"}}'],
      ['that is null', 'null'],
    ])('a message %s is a gap', async (_, text) => {
      const heard = listenTo(b);
      await world.publish('forebay:bus', text);
      await vi.waitFor(() => expect(heard).toEqual(['gap']));
    });

    it('the first message that cannot be read is told, and each one is a gap', async () => {
      let told = 0;
      const c = await world.open({ onUnreadable: () => (told += 1) });
      const heard = listenTo(c);
      for (let count = 0; count < 3; count += 1) await world.publish('forebay:bus', '{"v":2,"o":"x","k":[]}');
      await vi.waitFor(() => expect([heard, told]).toEqual([['gap', 'gap', 'gap'], 1]), PATIENCE);
    });

    it('messages on other channels are nothing to us', async () => {
      const heard = listenTo(b);
      await world.publish('other:bus', 'noise');
      await a.invalidate(change({ keys: ['f:{1}'] }));
      await vi.waitFor(() => expect(heard).toEqual([{ keys: ['f:{1}'], purge: false }]));
    });
  });
}
