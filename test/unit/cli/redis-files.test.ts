import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { identityOf } from '../../../src/cli/embedded/process-identity.ts';
import { prepareRedisFiles } from '../../../src/cli/embedded/redis-files.ts';

test.each([
  ['this version', {}, {}],
  ['a newer version, which says more', { format: 2, port: 0 }, { version: '9.0' }],
])('a server that a killed process of %s left behind is ended', async (_, more, moreOfServer) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'redis-files-'));
  const orphan = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' });
  const ended = once(orphan, 'exit');
  onTestFinished(() => {
    orphan.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  const server = { ...identityOf(orphan.pid ?? 0), ...moreOfServer };
  writeFileSync(path.join(dir, 'server.json'), JSON.stringify({ socketPath: path.join(dir, 'redis.sock'), server, ...more }));
  await prepareRedisFiles(dir);
  expect((await ended)[1]).toBe('SIGKILL');
});
