import { expect, it } from 'vitest';
import { checkModel } from './check.ts';
import { LogWorld } from './log-world.ts';
import { calmLogPrograms } from './program.ts';

it('with a log, in whatever order things happen in good weather, nothing older is answered than what was promised', async () => {
  await expect(checkModel(calmLogPrograms, (settings) => new LogWorld(settings), { monotonic: 'versions' })).resolves.toBeUndefined();
}, 300_000);
