import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ensureModules, pickNode } from './modules.mjs';
import { ensurePrometheus } from './prometheus.mjs';
import { ensureRedis } from './redis.mjs';
import { root, step } from './run.mjs';
import { say, Stop } from './say.mjs';
import { buildStamp, stampFile } from './stamp.mjs';

/** The file that `npm start` runs. */
export const programFile = path.join(root, 'dist', 'cli', 'main.js');

function buildIsCurrent() {
  return existsSync(programFile) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === buildStamp();
}

function ensureBuild(node) {
  if (buildIsCurrent()) return;
  say('building dist/');
  const code = step(node, [path.join(root, 'scripts', 'build.mjs')]);
  if (code !== 0) throw new Stop(`the build ended with code ${code}; the messages above say why`);
}

/** Installs and builds what is missing or out of date. Returns the Node to run things with. */
export function prepare({ redis, prometheus = false }) {
  ensureModules();
  if (redis) ensureRedis();
  if (prometheus) ensurePrometheus();
  const node = pickNode();
  ensureBuild(node);
  return node;
}
