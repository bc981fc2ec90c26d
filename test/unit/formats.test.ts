import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { decodeEntry, encodeEntry } from '../../src/cache/entry.ts';
import { tagBuckets } from '../../src/cache/tags.ts';
import { entryOf } from '../../src/postgres/change-log.ts';
import { readMigrations } from '../../src/postgres/migrations.ts';
import { layoutOfNode } from '../../src/redis/cluster/layout.ts';
import { nameOfSlot } from '../../src/redis/cluster/slots.ts';
import { encodeAnewMessage, encodeEntryMessage, hearLogMessage, WAKE_MESSAGE } from '../../src/redis/log-message.ts';
import { decodeMessage, encodeMessage } from '../../src/redis/message.ts';
import { pair } from '../../src/redis/scripts.ts';
import { hintFor } from '../support/format-hint.ts';

/** Samples of what instances of different versions share, as they were when the format got its version: docs/upgrades.md. What the scripts write in Redis is held in test/contract/formats.test.ts. */

const LOADED_AT = '1732432800123';
const ENTRIES = {
  value: {
    sample: 'forebay1 value 17 1732432800123 3600000 4f2a9c1d.1732432799000000 102.7.3311\n{"id":"é"}',
    entry: {
      absent: false,
      version: 17,
      ttlMs: 3_600_000,
      point: { generation: '4f2a9c1d', stamp: 1_732_432_799_000_000 },
      buckets: [102, 7, 3311],
      json: Buffer.from('{"id":"é"}'),
    },
  },
  'value without tags, of a cache that knows no table': {
    sample: 'forebay1 value 0 1732432800123 1 .0 -\nnull',
    entry: { absent: false, version: 0, ttlMs: 1, point: { generation: '', stamp: 0 }, buckets: [], json: Buffer.from('null') },
  },
  'absent entry': {
    sample: 'forebay1 absent 0 1732432800123 30000 4f2a9c1d.12 -\n',
    entry: { absent: true, version: 0, ttlMs: 30_000, point: { generation: '4f2a9c1d', stamp: 12 }, buckets: [], json: Buffer.alloc(0) },
  },
};

test.each(Object.entries(ENTRIES))('an entry in Redis has the bytes of version 1: %s', (_, { sample, entry }) => {
  const { beforeClock, afterClock } = encodeEntry(entry);
  const hint = hintFor('entry', 'FORMAT in src/cache/entry.ts');
  expect(beforeClock + LOADED_AT + afterClock.toString(), hint).toBe(sample);
  expect(decodeEntry(Buffer.from(sample)), hint).toEqual({ ...entry, loadedAt: Number(LOADED_AT) });
});

test.each([
  'forebay2 value 17 1732432800123 3600000 4f2a9c1d.1 -\n{}',
  'forebay1 value 17 1732432800123 3600000 4f2a9c1d.1 - more\n{}',
  'forebay10 absent 0 1 1 .0 -\n',
])('an entry of a newer version is none: %j', (text) => expect(decodeEntry(Buffer.from(text))).toBeNull());

test('tags share the stamps that they had in version 1: entries, messages and both tables name stamps by these numbers', () => {
  const hint = hintFor('tag buckets', 'the versions of the entry and of both messages, and give both tables other names');
  expect(
    ['owner:ann', 'folder:/archive', 'type:text/plain', 'é', ''].map((tag) => tagBuckets([tag])[0]),
    hint,
  ).toEqual([3583, 1108, 1950, 1641, 3083]);
});

const LOG_ENTRY = { number: 42, keys: ['file:info:{a}', 'file:meta:{a}'], buckets: [7, 3311], all: false, purge: true };

test('messages about the log have the bytes of version 2', () => {
  const hint = hintFor('log message', 'VERSION in src/redis/log-message.ts');
  expect([encodeEntryMessage('4f2a', LOG_ENTRY), WAKE_MESSAGE, encodeAnewMessage('me')], hint).toEqual([
    '{"v":2,"e":"4f2a","n":42,"k":["file:info:{a}","file:meta:{a}"],"b":[7,3311],"a":0,"x":1}',
    '{"v":2,"w":1}',
    '{"v":2,"w":1,"m":"me"}',
  ]);
});

test.each<[string, unknown]>([
  ['{"v":2,"e":"4f2a","n":42,"k":["file:info:{a}","file:meta:{a}"],"b":[7,3311],"a":0,"x":1}', ['entry', '4f2a', LOG_ENTRY]],
  ['{"v":2,"e":"4f2a","n":1,"k":[],"b":[],"a":1,"x":0}', ['entry', '4f2a', { number: 1, keys: [], buckets: [], all: true, purge: false }]],
  ['{"v":2,"w":1}', ['wake']],
  ['{"v":2,"w":1,"m":"me"}', ['anew']],
  ['{"v":3,"e":"4f2a","n":42,"k":[],"b":[],"a":0,"x":1}', ['unreadable']],
  ['{"v":3,"w":1}', ['unreadable']],
  ['{"e":"4f2a","n":42,"k":[],"b":[],"a":0,"x":1}', ['unreadable']],
])('a message about the log is read as it was meant, and one of a newer version not at all: %s', (text, heard) => {
  const told: unknown[] = [];
  const tell =
    (name: string) =>
    (...args: unknown[]): void =>
      void told.push(name, ...(name === 'entry' ? args : []));
  const listener = {
    onEntry: tell('entry'),
    onGap: tell('gap'),
    onUnreadable: tell('unreadable'),
    onBehind: tell('behind'),
    onWake: tell('wake'),
    onAnew: tell('anew'),
    onUp: tell('up'),
  };
  hearLogMessage(text, listener, 'other');
  expect(told, hintFor('log message', 'VERSION in src/redis/log-message.ts')).toEqual(heard);
});

test('messages of a tier without a log have the bytes of version 1, and of a newer version nothing is read', () => {
  const hint = hintFor('bus message', 'VERSION in src/redis/message.ts, and the text in invalidate-tags.lua');
  const keys = '{"v":1,"o":"me","x":1,"k":["row:{a}"]}';
  expect(encodeMessage({ origin: 'me', keys: ['row:{a}'], purge: true }), hint).toBe(keys);
  expect(decodeMessage(keys), hint).toEqual({ origin: 'me', keys: ['row:{a}'], purge: true, tags: null });
  // As invalidate-tags.lua writes it.
  expect(decodeMessage('{"v":1,"o":"me","x":0,"t":{"g":"4f2a","p":1,"n":2,"b":[7]}}'), hint).toEqual({
    origin: 'me',
    keys: [],
    purge: false,
    tags: { generation: '4f2a', previous: 1, stamp: 2, buckets: [7] },
  });
  expect(decodeMessage(keys.replace('"v":1', '"v":2'))).toBeNull();
});

test('an entry of the log in the database is read as it was meant', () => {
  const changes = [{ caches: ['file:info', 'file:meta'], ids: ['a'], tags: ['owner:ann'], everything: false, purge: false }];
  const hint = hintFor('change', 'nothing, but add a field: an older reader takes each that it does not know for "everything"');
  expect(entryOf(42, changes), hint).toEqual({
    number: 42,
    keys: ['file:info:{a}', 'file:meta:{a}'],
    buckets: tagBuckets(['owner:ann']),
    all: false,
    purge: false,
  });
});

test('names in Redis are what they were', () => {
  const hint = hintFor('names of keys', 'nothing, but give what is new a name of its own');
  expect(pair('file:info:{a}'), hint).toEqual(['file:info:{a}', 'file:info:{a}:lease']);
  const node = layoutOfNode({ prefix: 'p:', tag: 'g1m', slots: { ranges: [] }, channel: () => '', onElsewhere: () => {} });
  expect([node.table, node.head], hint).toEqual(['p:forebay:log:{g1m}', 'p:forebay:log:{g1m}:at']);
  // Tables of the nodes of a Cluster are named by these texts, which come from one search in a fixed order.
  expect([0, 5460, 10_922, 16_383].map(nameOfSlot), hint).toEqual(['1bz', 'g1m', 'bxv', 'hia']);
});

/** SHA-256 of the migrations, each from its second line on. */
const MIGRATIONS: Readonly<Record<string, string>> = {
  '0001-files.sql': '953728fd6ffb2077',
  '0002-change-log.sql': '1775fd84bfbf53e0',
  '0003-attached.sql': 'c75719d47af44928',
  '0004-popularity.sql': '67a3e0969373e237',
  '0005-compatible-from.sql': 'adb2eaa1909bc0ba',
};

test('no migration that is out there has changed: databases that have it would never see the change', async () => {
  const digests = (await readMigrations()).map(({ name, sql }) => [
    name,
    createHash('sha256')
      .update(sql.slice(sql.indexOf('\n') + 1))
      .digest('hex')
      .slice(0, 16),
  ]);
  expect(
    Object.fromEntries(digests),
    'put a change into a migration of its own, with the next number; a new one is added to this list',
  ).toEqual(MIGRATIONS);
});
