import { succeeds } from './run.mjs';
import { say, Stop } from './say.mjs';
import { install, installer } from './system-packages.mjs';

const ELSEWHERE =
  'or give a running Redis with FOREBAY_REDIS_URL=redis://HOST:PORT. Packages: "redis" on Fedora, Alpine, Arch and Homebrew; ' +
  '"redis-server" on Debian and Ubuntu';

const hasRedis = () => succeeds('redis-server', ['--version']);

/** Sees to a `redis-server` in the PATH, from the system's packages. */
export function ensureRedis() {
  if (hasRedis()) return;
  const by = installer();
  switch (by) {
    case 'brew':
      say('installing redis with Homebrew');
      installWith(by, 'redis');
      break;
    case 'root':
    case 'sudo':
      say('installing redis-server from the system packages; its system-wide service stays switched off');
      installWith(by, 'redis-server');
      break;
    case 'no-brew':
      throw new Stop(
        `redis-server is not installed, nor is Homebrew (https://brew.sh), with which to install it. Install either, ${ELSEWHERE}`,
      );
    case 'no-rights':
      throw new Stop(
        'redis-server is not installed, and installing it needs rights that this user has not (not root, and sudo would ask for a password). ' +
          `Run "sudo apt-get install redis-server" and run this again, ${ELSEWHERE}`,
      );
    default:
      throw new Stop(`redis-server is not installed, and there is no way here to install it. Install it (7.0 or later), ${ELSEWHERE}`);
  }
  if (!hasRedis())
    throw new Stop(`redis-server was installed and still does not run; see the messages above. Install it by hand, ${ELSEWHERE}`);
}

function installWith(by, packageName) {
  const code = install(by, packageName);
  if (code !== 0)
    throw new Stop(`installing ${packageName} ended with code ${code}; the messages above say why. Install it by hand, ${ELSEWHERE}`);
}
