import * as fc from 'fast-check';
import type { Settings } from './instance.ts';
import type { Program } from './program.ts';
import type { Monotonic } from './reads.ts';
import { runProgram } from './run.ts';
import type { World } from './world.ts';

/** The programs of `npm test` are the same ones each time, so that a change is judged by what it changes; other ones are tried on demand. */
const SEED = 20_261_124;
const RUNS = 2000;

/**
 * Runs the model over many programs. A failure prints fast-check's seed and path, and the program shrunk to what matters. To run it again, and to try others:
 *
 *     FOREBAY_MODEL_SEED=-123456 FOREBAY_MODEL_PATH=17:3:0 npm test -- test/unit/cache/model
 *     FOREBAY_MODEL_SEED=random FOREBAY_MODEL_RUNS=20000 npm test -- test/unit/cache/model
 *
 * `FOREBAY_MODEL_RUNS` is the number of programs per file.
 */
export async function checkModel<S extends Settings>(
  programs: fc.Arbitrary<Program<S>>,
  open: (settings: S) => World,
  options: { monotonic: Monotonic },
): Promise<void> {
  const { FOREBAY_MODEL_SEED: seed = SEED, FOREBAY_MODEL_PATH: path, FOREBAY_MODEL_RUNS: runs = RUNS } = process.env;
  await fc.assert(
    fc.asyncProperty(programs, (program) => runProgram(program, open(program.settings), options)),
    {
      numRuns: Number(runs),
      ...(seed === 'random' ? {} : { seed: Number(seed) }),
      ...(path === undefined ? {} : { path }),
    },
  );
}
