import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const probe = fileURLToPath(new URL('../../support/memory-probe.ts', import.meta.url));

test.each(['info', 'meta', 'number', 'long', 'wide', 'late'])(
  'the bytes counted for 20,000 entries of kind %s are within 20 % of the growth of the process',
  async (kind) => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', probe, kind]);
    const { counted, grown } = JSON.parse(stdout) as { counted: number; grown: number };
    expect(counted / grown).toBeGreaterThan(0.8);
    expect(counted / grown).toBeLessThan(1.2);
  },
  30_000,
);
