import { existsSync } from 'node:fs';
import { step, succeeds } from './run.mjs';

/**
 * Debian's packages of servers enable and start a system-wide one, which nobody asked for. So services may not start during the installation (unless the machine has its own rule about that), and the
 * new service is switched off afterwards.
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
apt-get -o DPkg::Lock::Timeout=120 install -q -y --no-install-recommends "$1"
if [ -d /run/systemd/system ]; then
  systemctl disable --now "$1.service" || true
fi
`;

/** How a package of a server can be installed here: by whom, or why not. */
export function installer() {
  if (process.platform === 'darwin') return succeeds('brew', ['--version']) ? 'brew' : 'no-brew';
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get')) return 'unknown';
  if (process.getuid?.() === 0) return 'root';
  return succeeds('sudo', ['-n', 'true']) ? 'sudo' : 'no-rights';
}

/** Installs a package whose service has the same name, and returns the exit code. `by`: what `installer` said. */
export function install(by, packageName) {
  if (by === 'brew') return step('brew', ['install', packageName]);
  const script = ['sh', '-c', INSTALL_ON_DEBIAN, 'sh', packageName];
  return by === 'root' ? step('sh', script.slice(1)) : step('sudo', ['-n', ...script]);
}
