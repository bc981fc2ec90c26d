import path from 'node:path';
import type { FileBulkStore, PathEntry } from '../files/store.ts';
import type { Shell } from './shell.ts';

/** A real record to show calls with: one below `dir` if given, else any; `null` if there is none yet. */
export async function findExample(store: FileBulkStore, dir: string | null): Promise<PathEntry | null> {
  const prefix = dir === null ? '/' : `${path.resolve(dir).replace(/\/+$/, '')}/`;
  const entries = await store.listBelow(prefix, { limit: 20 });
  return entries.find(({ pathBytes }) => pathBytes === undefined) ?? entries[0] ?? null;
}

/** Calls to try, each a line that can be copied. */
export function printExamples(shell: Shell, url: string, { id, path }: PathEntry): void {
  shell.out(`Try it with ${JSON.stringify(path)}:`);
  shell.out(`  curl -i ${url}/v1/files/${id}`);
  shell.out(`  curl -X POST ${url}/v1/files/batch-get -H 'content-type: application/json' -d '{"ids":["${id}"]}'`);
  shell.out(`  curl ${url}/metrics`);
}
