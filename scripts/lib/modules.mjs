import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { root, step } from './run.mjs';
import { say, Stop } from './say.mjs';

/** The oldest Node that runs the built program. */
const OLDEST = [22, 18];

const bundledNode = path.join(root, 'node_modules', '.bin', 'node');

const packageJson = () => JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'));

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

/** A lockfile that does not belong to this package.json would be corrected silently by `npm install`; that is for people to do. */
function checkLockfile() {
  const locked = packagesOf('package-lock.json')?.[''] ?? {};
  const wanted = packageJson();
  for (const kind of ['dependencies', 'devDependencies']) {
    const given = Object.entries(wanted[kind] ?? {}).filter(([name, range]) => locked[kind]?.[name] !== range);
    if (given.length > 0) {
      const names = given.map(([name]) => name).join(', ');
      throw new Stop(`package-lock.json does not belong to package.json (${kind}: ${names}); run "npm install" and commit both`);
    }
  }
}

/**
 * Installs the modules by the lockfile when they are missing or out of date.
 *
 * Not by `npm ci`: that refuses a lockfile without an entry for each optional binary of each system that exists, and a registry that mirrors only some
 * systems cannot give them. Into an empty folder, `npm install --no-save` installs the same versions, checked by the same digests.
 */
export function ensureModules() {
  if (modulesAreCurrent() && versionOf(bundledNode) !== null) return;
  checkLockfile();
  say('installing node modules by the lockfile; this takes a minute the first time');
  rmSync(path.join(root, 'node_modules'), { recursive: true, force: true });
  // `--include=dev`: the compiler and Node itself are devDependencies, and NODE_ENV=production would leave them out.
  const code = step('npm', ['install', '--no-save', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']);
  if (code === 127) throw new Stop('npm was not found; install it (Debian and Ubuntu: apt-get install npm) and run this again');
  if (code !== 0) throw new Stop(`npm install ended with code ${code}; its message above says why. Run this again when that is mended`);
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
