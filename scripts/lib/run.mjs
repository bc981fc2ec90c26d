import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { say } from './say.mjs';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/**
 * Under `npm start` the PATH begins with `node_modules/.bin`, whose `node` an `npm ci` removes while it runs.
 * Tools of the system are therefore looked up without it.
 */
function systemPath() {
  const inModules = path.join('node_modules', '.bin');
  return (process.env['PATH'] ?? '')
    .split(path.delimiter)
    .filter((part) => !part.endsWith(inModules) && !part.endsWith('node-gyp-bin'))
    .join(path.delimiter);
}

/** Whether `command ARGS` can be run and succeeds. */
export function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore', env: { ...process.env, PATH: systemPath() } }).status === 0;
}

/** Runs a step of the preparation, its output on stderr, and returns its exit code; 127 when there is no such command. */
export function step(command, args, env = {}) {
  const result = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env: { ...process.env, PATH: systemPath(), ...env },
  });
  return exitCodeOf(result.status, result.signal);
}

function exitCodeOf(code, signal) {
  if (code !== null) return code;
  return signal === null ? 127 : 128 + constants.signals[signal];
}

/** Signals of one Ctrl-C come several times: from the terminal to the whole process group, and again from npm. */
const SAME_SIGNAL_MS = 300;

/**
 * Runs the program itself with this terminal, and resolves to its exit code.
 *
 * Signals are handed on and otherwise ignored here: this process must outlive the program's orderly stop, or the shell would
 * show its prompt while the program is still closing its database. After a Ctrl-C the program has the terminal's own
 * signal already and takes ours within half a second for the same one.
 */
export function runProgram(command, args, env = process.env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: 'inherit', env });
    const lastAt = new Map();
    const listeners = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => {
      const handOn = () => {
        const now = performance.now();
        if (now - (lastAt.get(signal) ?? -Infinity) < SAME_SIGNAL_MS) return;
        lastAt.set(signal, now);
        child.kill(signal);
      };
      process.on(signal, handOn);
      return [signal, handOn];
    });
    const end = (code) => {
      for (const [signal, handOn] of listeners) process.removeListener(signal, handOn);
      resolve(code);
    };
    child.once('error', (error) => {
      say(`cannot run ${command}: ${error.message}`);
      end(127);
    });
    child.once('exit', (code, signal) => end(exitCodeOf(code, signal)));
  });
}
