import { expect, it } from 'vitest';
import { checkModel } from './check.ts';
import { calmPrograms } from './program.ts';
import { TierWorld } from './tier-world.ts';

it('in whatever order things happen in good weather, nothing older is answered than what was promised', async () => {
  await expect(checkModel(calmPrograms, (settings) => new TierWorld(settings), { monotonic: 'never' })).resolves.toBeUndefined();
}, 300_000);
