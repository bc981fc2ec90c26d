import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root, step } from './run.mjs';
import { say, Stop } from './say.mjs';

/** The oldest Node that runs the built program. */
const OLDEST = [22, 18];

const bundledNode = path.join(root, 'node_modules', '.bin', 'node');

function packagesOf(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8')).packages;
  } catch {
    return null;
  }
}

/**
 * Whether `node_modules` is what the lockfile says.
 *
 * npm records what it installed in `node_modules/.package-lock.json`, as the last thing that it does; comparing with that needs no
 * stamp of our own and also notices an `npm install` by hand or one that was cut off.
 */
function modulesAreCurrent() {
  const wanted = packagesOf('package-lock.json');
  const installed = packagesOf('node_modules/.package-lock.json');
  if (wanted === null || installed === null) return false;
  return Object.entries(wanted).every(([at, entry]) => {
    if (at === '' || entry.link === true) return true;
    const have = installed[at];
    // Packages for other systems are optional and rightly missing.
    if (have === undefined) return entry.optional === true || entry.peer === true;
    return have.version === entry.version && have.integrity === entry.integrity;
  });
}

function versionOf(node) {
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  const found = status === 0 ? /^v(\d+)\.(\d+)/.exec(stdout) : null;
  return found === null ? null : [Number(found[1]), Number(found[2])];
}

const isEnough = (version) => version !== null && (version[0] > OLDEST[0] || (version[0] === OLDEST[0] && version[1] >= OLDEST[1]));

/** Installs the modules by the lockfile when they are missing or out of date. */
export function ensureModules() {
  if (modulesAreCurrent() && versionOf(bundledNode) !== null) return;
  say('installing node modules by the lockfile (npm ci); this takes a minute the first time');
  // `--include=dev`: the compiler and Node itself are devDependencies, and NODE_ENV=production would leave them out.
  const code = step('npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
  if (code === 127) throw new Stop('npm was not found; install it (Debian and Ubuntu: apt-get install npm) and run this again');
  if (code !== 0) throw new Stop(`npm ci ended with code ${code}; its message above says why. Run this again when that is mended`);
}

/** The Node that everything runs on: the one of the lockfile, else this one if it is new enough. */
export function pickNode() {
  if (isEnough(versionOf(bundledNode))) return bundledNode;
  const own = process.versions.node.split('.').map(Number);
  if (isEnough(own)) {
    say(`the Node of the lockfile is not there (were install scripts switched off?); going on with ${process.version}`);
    return process.execPath;
  }
  throw new Stop(
    `Node ${OLDEST.join('.')} or later is needed to run the program, and the one of the lockfile is not there, probably because npm was told ` +
      'to skip install scripts. Run "npm rebuild node --ignore-scripts=false", or install Node 24, and run this again',
  );
}
