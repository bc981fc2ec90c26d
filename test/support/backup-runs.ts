import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { root } from './program.ts';

export const TOKEN = 'a-token-of-enough-length';
/** A chunk of a backup, and a part of another. */
export const FILES = 1_300;
export const ids: readonly string[] = Array.from({ length: FILES }, (_, n) => `00000000-0000-4000-8000-${String(n + 1).padStart(12, '0')}`);

const main = path.join(root, 'dist', 'cli', 'main.js');

/** The program after this line of the shell, or with a redirection at its end. */
export const inShell = (before: string, after = ''): readonly [string, ...string[]] => [
  'bash',
  '-c',
  `${before} exec "$0" "$@" ${after}`,
  process.execPath,
  main,
];

/** What a backup left beside its file. */
export const leftovers = (folder: string): string[] => readdirSync(folder).filter((name) => name.endsWith('.part'));

export async function* only(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}

/** A folder with room for `kib`; `null` where nothing may be mounted. */
export function smallDisk(folder: string, kib: number): { readonly path: string; [Symbol.dispose](): void } | null {
  mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kib}k`, 'tmpfs', folder], { stdio: 'ignore' });
  } catch {
    return null;
  }
  return { path: folder, [Symbol.dispose]: () => void execFileSync('umount', [folder]) };
}
