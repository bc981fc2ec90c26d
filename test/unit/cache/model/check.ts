import * as fc from 'fast-check';
import type { Settings } from './instance.ts';
import type { Program } from './program.ts';
import { runProgram } from './run.ts';
import type { World } from './world.ts';

/**
 * Runs the model over many programs. A failure prints fast-check's seed and path, and the program shrunk to what matters. To run it again:
 *
 *     FOREBAY_MODEL_SEED=-123456 FOREBAY_MODEL_PATH=17:3:0 npm test -- test/unit/cache/model
 *
 * `FOREBAY_MODEL_RUNS` sets the number of programs per file (default 3,000).
 */
export async function checkModel<S extends Settings>(
  programs: fc.Arbitrary<Program<S>>,
  open: (settings: S) => World,
  options: { monotonic: boolean },
): Promise<void> {
  const { FOREBAY_MODEL_SEED: seed, FOREBAY_MODEL_PATH: path, FOREBAY_MODEL_RUNS: runs } = process.env;
  await fc.assert(
    fc.asyncProperty(programs, (program) => runProgram(program, open(program.settings), options)),
    {
      numRuns: Number(runs ?? 3000),
      ...(seed === undefined ? {} : { seed: Number(seed) }),
      ...(path === undefined ? {} : { path }),
    },
  );
}
