// Builds dist/ from src/: types and JavaScript by tsc, SQL and Lua beside them as they are.
//
// The new dist/ is made beside the old one and takes its place at the end: a program that runs from dist/ meanwhile never sees half of it.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { root } from './lib/run.mjs';
import { buildStamp, stampFile } from './lib/stamp.mjs';

const stamp = buildStamp();
const typescript = path.dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
const dist = path.join(root, 'dist');
const work = mkdtempSync(path.join(root, '.dist-'));
try {
  const fresh = path.join(work, 'new');
  const compiler = [path.join(typescript, 'bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', fresh];
  const { status } = spawnSync(process.execPath, compiler, { cwd: root, stdio: 'inherit' });
  if (status === 0) {
    cpSync(path.join(root, 'src'), fresh, { recursive: true, filter: (source) => !/\.[cm]?ts$/.test(source) });
    chmodSync(path.join(fresh, 'cli', 'main.js'), 0o755);
    if (existsSync(dist)) renameSync(dist, path.join(work, 'old'));
    renameSync(fresh, dist);
    writeFileSync(stampFile, stamp);
  } else {
    process.exitCode = status ?? 1;
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
