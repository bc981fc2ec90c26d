import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { Program } from '../../support/program.ts';
import { runProgram } from '../../support/program.ts';
import { tempDir } from '../../support/temp.ts';

test('a second start is up within 5 s', async () => {
  await using folder = await tempDir();
  const files = path.join(folder.path, 'files');
  mkdirSync(files);
  writeFileSync(path.join(files, 'one'), 'one');
  const start = (): Program => runProgram(['start', '--data', path.join(folder.path, 'data'), '--index', files, '--port', '0']);
  const stop = async (program: Program): Promise<void> => {
    program.kill('SIGINT');
    expect(await program.exited).toBe(0);
  };
  await using first = start();
  await first.url();
  await first.printed(/^Indexed .*$/m);
  await stop(first);
  const began = performance.now();
  await using second = start();
  await second.url();
  expect(performance.now() - began).toBeLessThan(5000);
  await stop(second);
});
