import { existsSync } from 'node:fs';
import { step, succeeds } from './run.mjs';
import { say, Stop } from './say.mjs';

const ELSEWHERE =
  'or give a running Redis with FOREBAY_REDIS_URL=redis://HOST:PORT. Packages: "redis" on Fedora, Alpine, Arch and Homebrew; ' +
  '"redis-server" on Debian and Ubuntu';

/**
 * Debian's package enables and starts a system-wide Redis, which nobody asked for: Forebay runs a private one. So services may not start
 * during the installation (unless the machine has its own rule about that), and the new service is switched off afterwards.
 */
const INSTALL_ON_DEBIAN = `
set -e
export DEBIAN_FRONTEND=noninteractive
rule=/usr/sbin/policy-rc.d
if [ ! -e "$rule" ]; then
  trap 'rm -f "$rule"' EXIT
  trap 'exit 130' INT TERM HUP
  printf '#!/bin/sh\\nexit 101\\n' >"$rule"
  chmod 755 "$rule"
fi
apt-get -o DPkg::Lock::Timeout=120 update -q || echo 'forebay: apt-get update failed; trying with the lists that are here' >&2
apt-get -o DPkg::Lock::Timeout=120 install -q -y --no-install-recommends redis-server
if [ -d /run/systemd/system ]; then
  systemctl disable --now redis-server.service || true
fi
`;

const hasRedis = () => succeeds('redis-server', ['--version']);

/** Sees to a `redis-server` in the PATH, from the system's packages. */
export function ensureRedis() {
  if (hasRedis()) return;
  if (process.platform === 'darwin') installWithBrew();
  else if (process.platform === 'linux' && existsSync('/usr/bin/apt-get')) installWithApt();
  else throw new Stop(`redis-server is not installed, and there is no way here to install it. Install it (7.0 or later), ${ELSEWHERE}`);
  if (!hasRedis())
    throw new Stop(`redis-server was installed and still does not run; see the messages above. Install it by hand, ${ELSEWHERE}`);
}

function installWithApt() {
  const isRoot = process.getuid?.() === 0;
  if (!isRoot && !succeeds('sudo', ['-n', 'true'])) {
    throw new Stop(
      'redis-server is not installed, and installing it needs rights that this user has not (not root, and sudo would ask for a password). ' +
        `Run "sudo apt-get install redis-server" and run this again, ${ELSEWHERE}`,
    );
  }
  say('installing redis-server from the system packages; its system-wide service stays switched off');
  const code = isRoot ? step('sh', ['-c', INSTALL_ON_DEBIAN]) : step('sudo', ['-n', 'sh', '-c', INSTALL_ON_DEBIAN]);
  if (code !== 0)
    throw new Stop(`installing redis-server ended with code ${code}; the messages above say why. Install it by hand, ${ELSEWHERE}`);
}

function installWithBrew() {
  if (!succeeds('brew', ['--version'])) {
    throw new Stop(
      `redis-server is not installed, nor is Homebrew (https://brew.sh), with which to install it. Install either, ${ELSEWHERE}`,
    );
  }
  say('installing redis with Homebrew');
  const code = step('brew', ['install', 'redis']);
  if (code !== 0)
    throw new Stop(`brew install redis ended with code ${code}; the messages above say why. Install it by hand, ${ELSEWHERE}`);
}
