// Holds what the npm package contains: the build, the documentation and the operators' files, and nothing else.
import { execFileSync } from 'node:child_process';
import { root } from './lib/run.mjs';

const EXPECTED = /^(dist|docs|ops)\/|^(package\.json|README\.md|CHANGELOG\.md|LICENSE)$/;
const REQUIRED = [
  'dist/index.js',
  'dist/index.d.ts',
  'dist/cli/main.js',
  'dist/service/dashboard/page/index.html',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
];

const [pack] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' }));
const names = pack.files.map(({ path }) => path);
const problems = [
  ...names.filter((name) => !EXPECTED.test(name)).map((name) => `${name} should not be in the package`),
  ...REQUIRED.filter((name) => !names.includes(name)).map((name) => `${name} is missing from the package`),
];
for (const line of problems) console.error(line);
console.log(`${names.length} files, ${Math.round(pack.unpackedSize / 1024)} KiB unpacked`);
process.exitCode = problems.length === 0 ? 0 : 1;
