import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { startPostgres } from '../support/postgres.ts';
import { runProgram } from '../support/program.ts';
import { startSentinels } from '../support/sentinel.ts';

test('behind Sentinels the commands that need no service do what they do elsewhere', async () => {
  const postgres = await startPostgres();
  await using sentinels = await startSentinels();
  const folder = mkdtempSync(path.join(tmpdir(), 'forebay-sentinels-'));
  const database = await postgres.createDatabase('sentinels');
  const run = async (args: readonly string[]): Promise<string> => {
    await using program = runProgram([...args, '--database-url', database, '--redis-url', sentinels.url]);
    const code = await program.exited;
    expect({ code, said: code === 0 ? '' : program.stderr() }).toEqual({ code: 0, said: '' });
    return program.stdout();
  };
  try {
    const file = path.join(folder, 'backup');
    expect(await run(['bench', '--duration', '1s', '--keys', '300', '--writes', '0.05', '--keep'])).toContain('errors        none');
    expect(await run(['warm', '--where', 'size >= 0', '--alone'])).toContain('100.0 % of them are in Redis now');
    await run(['backup', '--out', file, '--alone']);
    expect(await run(['invalidate', '--all', '--yes', '--alone'])).toBe('Every cache has forgotten everything.\n');
    expect(await run(['restore', file, '--alone'])).toMatch(/ 30\d put back as they were, 0 loaded anew, 0 were there,/);
    expect(await run(['recover', '--alone'])).toContain('Nothing to recover');
    expect(await run(['bench', '--clean'])).toContain('300 records');
  } finally {
    rmSync(folder, { recursive: true, force: true });
    await postgres.stop();
  }
});
