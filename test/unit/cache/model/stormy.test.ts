import { expect, it } from 'vitest';
import { checkModel } from './check.ts';
import { stormyPrograms } from './program.ts';
import { TierWorld } from './tier-world.ts';

it('whatever is lost, cut, held up or evicted, nothing older is answered than what was promised', async () => {
  await expect(checkModel(stormyPrograms, (settings) => new TierWorld(settings), { monotonic: 'never' })).resolves.toBeUndefined();
}, 300_000);
