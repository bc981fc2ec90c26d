import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeLock } from '../../../src/cli/embedded/lock.ts';
import { identityOf, isRunning, killIfRunning } from '../../../src/cli/embedded/process-identity.ts';

const source = fileURLToPath(new URL('../../../src/cli/embedded/lock.ts', import.meta.url));

let dir: string;
let file: string;
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'forebay-lock-'));
  file = path.join(dir, 'lock');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Starts a process that tries to take the lock, prints `held` or `taken`, and holds on until its input ends. */
function contender(): { first: Promise<string>; end(): Promise<void>; kill(): Promise<void> } {
  const program = `
    const { takeLock } = await import(${JSON.stringify(source)});
    const lock = takeLock(${JSON.stringify(file)});
    process.stdout.write(lock.state);
    process.stdin.on('end', () => { if (lock.state === 'held') lock.release(); }).resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  const exited = once(child, 'exit');
  return {
    first: once(child.stdout, 'data').then(([data]) => String(data)),
    end: async () => {
      child.stdin.end();
      await exited;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await exited;
    },
  };
}

describe('the lock of a data folder', () => {
  test('a second taker is told who has it, and gets it after the release', () => {
    const first = takeLock(file);
    expect(first.state).toBe('held');
    expect(takeLock(file)).toEqual({ state: 'taken', pid: process.pid });
    if (first.state === 'held') first.release();
    expect(takeLock(file).state).toBe('held');
  });

  test('a lock left by a killed process is taken over', async () => {
    const killed = contender();
    expect(await killed.first).toBe('held');
    expect(takeLock(file).state).toBe('taken');
    await killed.kill();
    expect(takeLock(file).state).toBe('held');
  });

  test('a lock whose number now belongs to another program is taken over', () => {
    writeFileSync(file, JSON.stringify({ pid: process.pid, startedAt: 'another time', nonce: 'abc123' }));
    expect(takeLock(file).state).toBe('held');
  });

  test('a lock of a newer version, which says more, is a lock; what this version writes is what every version reads', () => {
    const lock = takeLock(file);
    const written = JSON.parse(readFileSync(file, 'utf8')) as object;
    expect(written).toEqual({ ...identityOf(process.pid), nonce: expect.stringMatching(/^[0-9a-f]{12}$/) });
    writeFileSync(file, JSON.stringify({ format: 2, ...written, host: 'another' }));
    expect(takeLock(file).state).toBe('taken');
    if (lock.state === 'held') lock.release();
  });

  test.each(['', 'no json', '{}', '{"pid":1}', '{"pid":"1","startedAt":"x","nonce":"../../x"}'])(
    'a damaged lock (%j) is taken over',
    (text) => {
      writeFileSync(file, text);
      expect(takeLock(file).state).toBe('held');
    },
  );

  test('of eight processes that find the lock of a dead one, exactly one gets it', async () => {
    writeFileSync(file, JSON.stringify({ pid: process.pid, startedAt: 'another time', nonce: 'abc123' }));
    const contenders = Array.from({ length: 8 }, contender);
    const states = await Promise.all(contenders.map(({ first }) => first));
    expect(states.toSorted()).toEqual(['held', ...Array.from({ length: 7 }, () => 'taken')]);
    await Promise.all(contenders.map((each) => each.end()));
    expect(readdirSync(dir)).toEqual([]);
  });

  test('a starter killed in the middle of taking over is no obstacle', () => {
    writeFileSync(file, JSON.stringify({ pid: process.pid, startedAt: 'another time', nonce: 'abc123' }));
    writeFileSync(`${file}.abc123`, JSON.stringify({ pid: process.pid, startedAt: 'a third time', nonce: 'def456' }));
    expect(takeLock(file).state).toBe('held');
    expect(readdirSync(dir)).toEqual(['lock']);
  });

  test('a late release does not remove the lock of the next holder', () => {
    const first = takeLock(file);
    writeFileSync(file, JSON.stringify({ pid: process.pid, startedAt: 'another time', nonce: 'abc123' }));
    if (first.state === 'held') first.release();
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ nonce: 'abc123' });
  });
});

describe('the identity of a process', () => {
  test('stays the same while it runs, and ends with it', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    const identity = identityOf(child.pid ?? 0);
    if (identity === null) throw new Error('a running process has an identity');
    expect(identityOf(identity.pid)).toEqual(identity);
    expect(isRunning(identity)).toBe(true);
    const exited = once(child, 'exit');
    killIfRunning(identity);
    await exited;
    expect(isRunning(identity)).toBe(false);
  });

  test('a process that began at another time is never killed', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    await once(child, 'spawn');
    killIfRunning({ pid: child.pid ?? 0, startedAt: 'another time' });
    expect(identityOf(child.pid ?? 0)).not.toBeNull();
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
});
