import { cpSync, existsSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { tempFolder } from './temp-folder.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface SourceCopy extends Disposable {
  /** Folder of the engine's source. */
  readonly source: string;
}

/** The engine as it is at this moment, or another copy of it, so that a run sees one state of it whatever is edited meanwhile, and so that a copy can be spoilt on purpose. */
export function copySource(from = path.join(ROOT, 'src')): SourceCopy {
  const folder = tempFolder('chaos-src');
  const source = path.join(folder.path, 'src');
  cpSync(from, source, { recursive: true });
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder.path, 'node_modules'));
  writeFileSync(path.join(folder.path, 'package.json'), '{"type":"module"}');
  return { source, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

/** Module of a contestant by its name. @throws when there is none of that name. */
export function contestantNamed(name: string): string {
  const own = path.join(ROOT, 'test/chaos/contestants', `${name}.ts`);
  const rival = path.join(ROOT, 'bench/consistency/contestants', `${name}.mjs`);
  const found = [own, rival].find((file) => existsSync(file));
  if (!/^[a-z-]+$/.test(name) || found === undefined) throw new Error(`there is no contestant "${name}"; see bench/consistency/README.md`);
  return found;
}
