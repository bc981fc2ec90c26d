import { succeeds } from './run.mjs';
import { say } from './say.mjs';
import { install, installer } from './system-packages.mjs';

const TESTS_FAIL = 'the tests of metrics, rules and the dashboard will fail without it; all others run';

const hasPrometheus = () => succeeds('prometheus', ['--version']) && succeeds('promtool', ['--version']);

/** Sees to `prometheus` and `promtool` in the PATH, for the tests alone. Where they cannot be had, the tests that need them fail and say so. */
export function ensurePrometheus() {
  if (hasPrometheus()) return;
  const by = installer();
  if (by === 'no-brew' || by === 'no-rights' || by === 'unknown') {
    say(`prometheus is not installed, and cannot be installed from here: ${TESTS_FAIL}. The package is called "prometheus" everywhere`);
    return;
  }
  say('installing prometheus from the system packages, for its tests; its system-wide service stays switched off');
  const code = install(by, 'prometheus');
  if (code !== 0 || !hasPrometheus()) say(`installing prometheus ended with code ${code}: ${TESTS_FAIL}`);
}
