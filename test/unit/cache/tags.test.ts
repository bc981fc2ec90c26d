import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { tagBuckets, TagTable } from '../../../src/cache/tags.ts';

function table(): TagTable {
  const tags = new TagTable();
  tags.replace({ generation: 'g', stamp: 10 }, []);
  return tags;
}

describe('the copy of the tag stamps', () => {
  test('counts as invalidated exactly the entries that were loaded before, with one of the tags', () => {
    const buckets = fc.uniqueArray(fc.integer({ min: 0, max: 20 }), { maxLength: 4 });
    fc.assert(
      fc.property(fc.array(buckets, { maxLength: 20 }), fc.nat(20), buckets, (changes, loadedAfter, mine) => {
        const tags = table();
        let point = tags.point;
        let stamp = 10;
        let expected = true;
        for (const [i, changed] of changes.entries()) {
          if (i === loadedAfter) {
            point = tags.point;
            expected = true;
          }
          tags.apply({ generation: 'g', previous: stamp, stamp: stamp + 5, buckets: changed });
          stamp += 5;
          if (mine.some((bucket) => changed.includes(bucket))) expected = false;
        }
        expect(tags.isGood(point, mine)).toBe(expected);
      }),
    );
  });

  test('fails closed on another generation, and on an unknown one', () => {
    const tags = table();
    expect(tags.isGood({ generation: 'other', stamp: 99 }, [])).toBe(false);
    expect(tags.isGood({ generation: '', stamp: 0 }, [])).toBe(false);
    expect(tags.isGood({ generation: 'g', stamp: 10 }, [1])).toBe(true);
  });

  test('fails closed on a bucket that does not exist', () => {
    const tags = table();
    tags.apply({ generation: 'g', previous: 10, stamp: 20, buckets: [1] });
    expect([tags.isGood({ generation: 'g', stamp: 10 }, [4095]), tags.isGood({ generation: 'g', stamp: 10 }, [4096])]).toEqual([
      true,
      false,
    ]);
  });

  test('says nothing good any more once it missed a change, until it is replaced', () => {
    const tags = table();
    tags.apply({ generation: 'g', previous: 15, stamp: 20, buckets: [1] });
    expect(tags.behind).toBe(true);
    expect(tags.isGood({ generation: 'g', stamp: 99 }, [])).toBe(false);
    tags.replace({ generation: 'g', stamp: 20 }, [[1, 20]]);
    expect(tags.isGood({ generation: 'g', stamp: 10 }, [2])).toBe(true);
    expect(tags.isGood({ generation: 'g', stamp: 10 }, [1])).toBe(false);
  });

  test('a change of another generation means that the table was made anew', () => {
    const tags = table();
    tags.apply({ generation: 'h', previous: 0, stamp: 11, buckets: [] });
    expect(tags.behind).toBe(true);
  });

  test('an older reading, and a change that is known already, are no news', () => {
    const tags = table();
    tags.apply({ generation: 'g', previous: 10, stamp: 20, buckets: [1] });
    const { changes } = tags;
    tags.replace({ generation: 'g', stamp: 10 }, []);
    tags.apply({ generation: 'g', previous: 10, stamp: 20, buckets: [1] });
    expect(tags.isGood({ generation: 'g', stamp: 10 }, [1])).toBe(false);
    expect(tags.changes).toBe(changes);
  });

  test('an older reading does not take back a change that came while this copy was behind: it stays behind', () => {
    const tags = table();
    tags.miss();
    const { missed } = tags;
    tags.apply({ generation: 'g', previous: 10, stamp: 20, buckets: [1] });
    tags.replace({ generation: 'g', stamp: 10 }, [], missed);
    expect([tags.behind, tags.point.stamp, tags.isGood({ generation: 'g', stamp: 10 }, [1])]).toEqual([true, 20, false]);
    tags.replace({ generation: 'g', stamp: 20 }, [[1, 20]], missed);
    expect([tags.behind, tags.isGood({ generation: 'g', stamp: 10 }, [1])]).toEqual([false, false]);
  });

  test('every news changes the count of changes', () => {
    const tags = table();
    const counts = [tags.changes];
    tags.apply({ generation: 'g', previous: 10, stamp: 20, buckets: [] });
    counts.push(tags.changes);
    tags.miss();
    counts.push(tags.changes);
    tags.replace({ generation: 'g', stamp: 30 }, []);
    counts.push(tags.changes);
    expect(new Set(counts).size).toBe(4);
  });
});

test('buckets of tags are each named once and in range', () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { maxLength: 100 }), (tags) => {
      const buckets = tagBuckets(tags);
      expect(new Set(buckets).size).toBe(buckets.length);
      expect(buckets.every((bucket) => bucket >= 0 && bucket < 4096)).toBe(true);
    }),
  );
});
