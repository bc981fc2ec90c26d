// npm test: installs what is missing, builds, and runs every test, or those that the arguments name (they go to vitest).
// The last line is `N passed, N failed, N skipped`.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ensureChromium } from './lib/chromium.mjs';
import { prepare } from './lib/prepare.mjs';
import { root, runProgram } from './lib/run.mjs';
import { runMain } from './lib/say.mjs';

/** Counts tests by vitest's JSON report. A file that could not be run at all is one failure. */
function count(reportFile, exitCode) {
  const totals = { passed: 0, failed: 0, skipped: 0 };
  try {
    const report = JSON.parse(readFileSync(reportFile, 'utf8'));
    totals.passed = report.numPassedTests;
    totals.failed = report.numFailedTests;
    totals.skipped = report.numPendingTests + report.numTodoTests;
    totals.failed += report.testResults.filter(
      (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
    ).length;
  } catch {
    process.stderr.write('forebay: vitest left no report\n');
  }
  // An error outside of any test (an unhandled rejection, say) fails the run too, and may not look like success here.
  if (exitCode !== 0 && totals.failed === 0) totals.failed = 1;
  return totals;
}

/** Whether the arguments leave the tests of this project in: without `--project` all are run. */
function runsProject(name, args) {
  const chosen = args.flatMap((arg, i) => (arg === '--project' ? [args[i + 1]] : arg.startsWith('--project=') ? [arg.slice(10)] : []));
  return chosen.length === 0 || chosen.includes(name);
}

await runMain(async () => {
  const node = prepare({ redis: true, prometheus: true });
  if (runsProject('browser', process.argv.slice(2))) ensureChromium();
  process.chdir(root);
  const dir = mkdtempSync(path.join(tmpdir(), 'forebay-tests-'));
  try {
    const reportFile = path.join(dir, 'report.json');
    const vitest = path.join(path.dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
    const reports = ['--reporter=default', '--reporter=json', `--outputFile.json=${reportFile}`];
    // The settings of whoever runs the tests are not the tests' settings, but for those of the model test.
    const isForTests = (name) => !name.startsWith('FOREBAY_') || name.startsWith('FOREBAY_MODEL_');
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => isForTests(name)));
    const exitCode = await runProgram(node, [vitest, 'run', ...reports, ...process.argv.slice(2)], env);
    const { passed, failed, skipped } = count(reportFile, exitCode);
    process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
    return exitCode;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
