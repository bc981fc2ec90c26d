import { expect, it } from 'vitest';
import { checkModel } from './check.ts';
import { stormyPrograms } from './program.ts';

it('whatever is lost, cut, held up or evicted, nothing older is answered than what was promised', async () => {
  await expect(checkModel(stormyPrograms, { monotonic: false })).resolves.toBeUndefined();
}, 300_000);
