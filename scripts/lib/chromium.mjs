import { existsSync } from 'node:fs';
import { step, succeeds } from './run.mjs';
import { say, Stop } from './say.mjs';

/** The names and places that test/browser/chromium.ts looks at too. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];
const MAC = ['/Applications/Chromium.app/Contents/MacOS/Chromium', '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'];
const ELSEWHERE =
  'or give one with CHROMIUM_PATH=/PATH/TO/IT, or run the other tests alone: npm test -- --project unit --project contract --project integration';
const INSTALL_ON_DEBIAN = `
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -o DPkg::Lock::Timeout=120 update -q || echo 'forebay: apt-get update failed; trying with the lists that are here' >&2
apt-get -o DPkg::Lock::Timeout=120 install -q -y --no-install-recommends chromium fonts-dejavu-core
`;

function hasChromium() {
  const given = process.env['CHROMIUM_PATH'];
  if (given !== undefined) {
    if (existsSync(given)) return true;
    throw new Stop(`CHROMIUM_PATH is ${given}, and there is no such file`);
  }
  return MAC.some((file) => existsSync(file)) || NAMES.some((name) => succeeds('sh', ['-c', `command -v ${name}`]));
}

/** Sees to a Chromium for the tests of the dashboard page, from the system's packages. */
export function ensureChromium() {
  if (hasChromium()) return;
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get'))
    throw new Stop(`no Chromium was found for the tests of the page. Install Chromium or Chrome, ${ELSEWHERE}`);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !succeeds('sudo', ['-n', 'true'])) {
    throw new Stop(
      'no Chromium was found for the tests of the page, and installing it needs rights that this user has not (not root, and sudo would ask for a password). ' +
        `Run "sudo apt-get install chromium" and run this again, ${ELSEWHERE}`,
    );
  }
  say('installing Chromium from the system packages, for the tests of the page');
  const code = isRoot ? step('sh', ['-c', INSTALL_ON_DEBIAN]) : step('sudo', ['-n', 'sh', '-c', INSTALL_ON_DEBIAN]);
  if (code !== 0 || !hasChromium())
    throw new Stop(`installing Chromium ended with code ${code}; the messages above say why. Install it by hand, ${ELSEWHERE}`);
}
