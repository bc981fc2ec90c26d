import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { startRedis } from '../support/redis.ts';

const run = promisify(execFile);
const folder = fileURLToPath(new URL('../../examples/', import.meta.url));

test('examples/any-record.ts prints what its comments say', async () => {
  await using redis = await startRedis();
  const { stdout } = await run(process.execPath, [`${folder}any-record.ts`, redis.url]);
  expect(stdout.trim().split('\n')).toEqual([
    'is: Iceland (loaded, source)',
    'is: Iceland (hit, local)',
    'xx: no such country (absent, source)',
    'invalidation: applied',
    'is: Ísland (loaded, source)',
  ]);
});

test('examples/files.ts prints what its comments say', async () => {
  const { stdout } = await run(process.execPath, [`${folder}files.ts`]);
  expect(stdout.trim().split('\n')).toEqual([
    'first read: loaded',
    'second read: hit',
    'version grew: true · caches: applied',
    'own write, read at once: final, finance',
    'attributes: {"pages":12}',
    'after its tag was invalidated: loaded',
  ]);
});

test('examples/transaction.ts prints what its comments say', async () => {
  const { stdout } = await run(process.execPath, [`${folder}transaction.ts`]);
  expect(stdout.trim().split('\n')).toEqual([
    'rolled back: changed my mind',
    'draft: /drafts/q3.pdf · old one there: true',
    'committed: /reports/q3.pdf · caches: applied',
    'draft: /reports/q3.pdf · old one there: false',
  ]);
});

test('examples/alerts.ts prints what its comments say', async () => {
  const { stdout } = await run(process.execPath, [`${folder}alerts.ts`]);
  expect(stdout.trim().split('\n')).toEqual([
    'firing redis_down: 204, the signature holds',
    'the same with another body: 401, not signed with our secret',
    'the same ten minutes later: 401, too old',
    'the same again: 204, already known',
  ]);
});

test('every example is run here', () => {
  expect(readdirSync(folder).toSorted()).toEqual(['alerts.ts', 'any-record.ts', 'files.ts', 'transaction.ts']);
});
