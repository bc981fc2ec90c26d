import { expect, test } from 'vitest';
import { Closing } from '../../../src/core/closing.ts';

test('what was opened last is closed first, and a failure does not keep the rest open', async () => {
  const closing = new Closing();
  const seen: string[] = [];
  closing.add('first', () => void seen.push('first'));
  closing.add('second', async () => {
    await Promise.resolve();
    throw new Error('no');
  });
  closing.add('third', () => void seen.push('third'));
  const failures = await closing.close();
  expect(seen).toEqual(['third', 'first']);
  expect(failures).toEqual([{ name: 'second', error: new Error('no') }]);
  expect(await closing.close()).toEqual([]);
});
