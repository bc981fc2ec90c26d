// npm start: installs what is missing, builds, and runs `forebay start` with the arguments given. Runs on Node 20 with nothing installed.
import { prepare, programFile } from './lib/prepare.mjs';
import { runProgram } from './lib/run.mjs';
import { runMain } from './lib/say.mjs';

const args = process.argv.slice(2);
const isGiven = (url) => !['', 'embedded'].includes(url ?? '');
const needsRedis = !isGiven(process.env['FOREBAY_REDIS_URL']) && !args.some((arg) => arg.startsWith('--redis-url'));

await runMain(() => {
  const node = prepare({ redis: needsRedis });
  return runProgram(node, [programFile, 'start', ...args]);
});
