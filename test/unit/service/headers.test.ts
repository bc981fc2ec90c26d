import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Found, Lookup } from '../../../src/cache/lookup.ts';
import { ForebayError } from '../../../src/core/errors.ts';
import { cacheStatusOf, cacheStatusOfMany } from '../../../src/service/cache-status.ts';
import { etagOf, matchesVersion, parseEntityTags, versionOf } from '../../../src/service/etag.ts';
import { writeUnder } from '../../../src/service/preconditions.ts';

const found = (ttlLeftMs: number): Found<string> => ({ value: '', json: Buffer.from('""'), version: 1, ageMs: 0, ttlLeftMs });
const version = fc.maxSafeNat();

describe('entity tags', () => {
  it('gives every version a tag that reads back as that version', () => {
    fc.assert(
      fc.property(version, (n) => {
        const tags = parseEntityTags(etagOf(n));
        expect(tags).toEqual([{ weak: false, opaque: String(n) }]);
        expect(tags === '*' || tags?.[0] === undefined ? undefined : versionOf(tags[0])).toBe(n);
      }),
    );
  });

  it('reads any list that follows the grammar, commas and odd characters inside of tags included', () => {
    const opaque = fc.string({ unit: fc.constantFrom('a', '0', ',', '*', '\\', '!', '#', 'ÿ', '/'), maxLength: 6 });
    const tag = fc.record({ weak: fc.boolean(), opaque });
    const gap = fc.constantFrom('', ' ', '\t', ' , ', ',');
    fc.assert(
      fc.property(fc.array(fc.tuple(tag, gap), { minLength: 1, maxLength: 6 }), (list) => {
        const header = list.map(([{ weak, opaque }, gap]) => `${gap}${weak ? 'W/' : ''}"${opaque}"`).join(',');
        expect(parseEntityTags(header)).toEqual(list.map(([tag]) => tag));
      }),
    );
  });

  it.each(['', ',', '123', '"1" "2"', '"1', 'w/"1"', '*, "1"', '"a b"', 'W/', '"\n"'])('does not read %j', (header) => {
    expect(parseEntityTags(header)).toBeUndefined();
    expect(matchesVersion(header, 123)).toBe(false);
  });

  it('never throws and stays linear, whatever the header', () => {
    fc.assert(fc.property(fc.string(), (header) => void parseEntityTags(header)));
    const started = performance.now();
    parseEntityTags('" '.repeat(8000));
    parseEntityTags(`${', '.repeat(8000)}x`);
    expect(performance.now() - started).toBeLessThan(200);
  });

  it('matches weakly for reads: the weakness of a tag does not matter', () => {
    expect(matchesVersion('W/"5"', 5)).toBe(true);
    expect(matchesVersion('"4", W/"5"', 5)).toBe(true);
    expect(matchesVersion('*', 5)).toBe(true);
    expect(matchesVersion('"4"', 5)).toBe(false);
    expect(matchesVersion(undefined, 5)).toBe(false);
  });

  it.each(['"05"', '"-1"', '"1.0"', '"9007199254740992"', '"99999999999999999"', 'W/"5"', '""'])(
    '%s names no version for a write',
    (header) => {
      const tags = parseEntityTags(header);
      expect(tags).toHaveLength(1);
      expect(tags === '*' || tags?.[0] === undefined ? 'none' : versionOf(tags[0])).toBeUndefined();
    },
  );
});

describe('Cache-Status', () => {
  /** RFC 9211 with the grammar of RFC 8941: a token, then parameters, of which `ttl` is an Integer of up to 15 digits. */
  const GRAMMAR =
    /^forebay(-local|-redis)?(; (hit|stored|collapsed|fwd=miss|ttl=-?(0|[1-9]\d{0,14})|detail=([A-Z_]+|absent|stale-if-error|"[\w= ]+")))+$/;
  const tier = fc.constantFrom('local' as const, 'remote' as const);
  const ttl = fc.oneof(fc.double(), fc.integer());
  const lookup: fc.Arbitrary<Lookup<string>> = fc.oneof(
    fc.tuple(tier, ttl).map(([tier, ttl]): Lookup<string> => Object.assign(found(ttl), { outcome: 'hit' as const, tier })),
    fc
      .record({ outcome: fc.constant('stale' as const), tier, asOfAgeMs: fc.nat(), ifError: fc.boolean(), ttl })
      .map(({ ttl, ...said }): Lookup<string> => Object.assign(found(ttl), said)),
    fc
      .record({ joined: fc.boolean(), stored: fc.boolean(), outcome: fc.constant('loaded' as const), tier: fc.constant('source' as const) })
      .map((said): Lookup<string> => Object.assign(found(1), said)),
    fc.record({
      outcome: fc.constant('absent' as const),
      tier: fc.constantFrom('local' as const, 'remote' as const, 'source' as const),
      ageMs: fc.constant(0),
      ttlLeftMs: ttl,
    }),
    fc.constant<Lookup<string>>({ outcome: 'unavailable', error: new ForebayError('OVERLOADED', 'x') }),
  );

  it('follows the grammar for every look-up', () => {
    fc.assert(
      fc.property(lookup, (one) => {
        expect(cacheStatusOf(one)).toMatch(GRAMMAR);
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.array(lookup, { minLength: 1 }), (many) => {
        expect(cacheStatusOfMany(many)).toMatch(GRAMMAR);
      }),
    );
  });

  it('has a negative ttl for a stale answer and never for a hit', () => {
    fc.assert(
      fc.property(lookup, (one) => {
        const status = cacheStatusOf(one);
        expect(status.includes('ttl=-')).toBe(one.outcome === 'stale');
      }),
    );
  });

  it('tells the tiers and what became of a miss', () => {
    expect(cacheStatusOf({ ...found(12_900), outcome: 'hit', tier: 'local' })).toBe('forebay-local; hit; ttl=12');
    expect(cacheStatusOf({ ...found(12_900), outcome: 'hit', tier: 'remote' })).toBe('forebay-redis; hit; ttl=12');
    const stale = { outcome: 'stale', tier: 'local', asOfAgeMs: 5 } as const;
    expect(cacheStatusOf({ ...found(-2500), ...stale, ifError: false })).toBe('forebay-local; hit; ttl=-3');
    expect(cacheStatusOf({ ...found(9000), ...stale, ifError: true })).toBe('forebay-local; hit; ttl=-1; detail=stale-if-error');
    expect(cacheStatusOf({ ...found(1), outcome: 'loaded', tier: 'source', joined: true, stored: true })).toBe(
      'forebay; fwd=miss; stored; collapsed',
    );
    expect(cacheStatusOf({ outcome: 'absent', tier: 'remote', ageMs: 0, ttlLeftMs: 2000 })).toBe(
      'forebay-redis; hit; ttl=2; detail=absent',
    );
    expect(cacheStatusOf({ outcome: 'unavailable', error: new ForebayError('LOAD_TIMEOUT', 'x') })).toBe(
      'forebay; fwd=miss; detail=LOAD_TIMEOUT',
    );
  });

  it('is a hit for many only if all of them were', () => {
    const hit: Lookup<string> = { ...found(1), outcome: 'hit', tier: 'local' };
    const loaded: Lookup<string> = { ...found(1), outcome: 'loaded', tier: 'source', joined: false, stored: true };
    expect(cacheStatusOfMany([hit, hit])).toBe('forebay; hit; detail="local=2"');
    expect(cacheStatusOfMany([hit, loaded])).toBe('forebay; fwd=miss; detail="local=1 source=1"');
  });
});

describe('conditions of writes', () => {
  /** A record at version 7. */
  const write = async (condition: { ifVersion?: number }): Promise<string> => {
    if (condition.ifVersion !== undefined && condition.ifVersion !== 7) throw new ForebayError('VERSION_MISMATCH', 'moved');
    return JSON.stringify(condition);
  };

  it('lets a write through when one of the versions is the current one', async () => {
    expect(await writeUnder({}, write)).toBe('{}');
    expect(await writeUnder({ 'if-match': '*' }, write)).toBe('{}');
    expect(await writeUnder({ 'if-match': '"5", "7"' }, write)).toBe('{"ifVersion":7}');
  });

  it.each(['"8"', 'W/"7"', '"abc"', '"8", W/"7"'])('refuses If-Match: %s at version 7', async (header) => {
    await expect(writeUnder({ 'if-match': header }, write)).rejects.toMatchObject({ code: 'VERSION_MISMATCH', field: 'If-Match' });
  });

  it.each(['7', '', `${'"1",'.repeat(9)}"2"`])('refuses If-Match: %s as input', async (header) => {
    await expect(writeUnder({ 'if-match': header }, write)).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'If-Match' });
  });

  it('takes If-None-Match: * only where a first version is known, and nothing else of it', async () => {
    expect(await writeUnder({ 'if-none-match': '*' }, write, { firstVersion: 7 })).toBe('{"ifVersion":7}');
    for (const headers of [{ 'if-none-match': '*' }, { 'if-none-match': '"7"' }, { 'if-none-match': '*', 'if-match': '"7"' }]) {
      await expect(writeUnder(headers, write)).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'If-None-Match' });
    }
  });
});
