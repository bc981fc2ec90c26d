import { expect, it } from 'vitest';
import { checkModel } from './check.ts';
import { LogWorld } from './log-world.ts';
import { stormyLogPrograms } from './program.ts';

it('with a log, whatever is lost, restored, cut, held up or swept, nothing older is answered than what was promised', async () => {
  await expect(checkModel(stormyLogPrograms, (settings) => new LogWorld(settings), { monotonic: 'versions' })).resolves.toBeUndefined();
}, 300_000);
