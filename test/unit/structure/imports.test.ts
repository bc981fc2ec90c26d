import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const src = fileURLToPath(new URL('../../../src', import.meta.url));

/** Which folders of `src` a folder may import from, itself aside. `src/*.ts` composes and may import all. */
const ALLOWED: Readonly<Record<string, readonly string[] | 'all'>> = {
  core: [],
  backup: ['core'],
  alerts: ['core'],
  cache: ['core'],
  redis: ['cache', 'core'],
  files: ['cache', 'core'],
  postgres: ['files', 'cache', 'core'],
  recovery: ['core'],
  metrics: ['recovery', 'alerts', 'cache', 'core'],
  doctor: ['cache', 'core', 'files', 'postgres', 'redis'],
  opentelemetry: ['cache', 'core'],
  service: 'all',
  cli: 'all',
};

const MAX_LINES = 400;

const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.[cm]?ts$/.test(file))
  .map((file) => ({ file, text: readFileSync(path.join(src, file), 'utf8') }));

const roomOf = (file: string): string => (file.includes(path.sep) ? (file.split(path.sep)[0] ?? '') : '');

/** Every module that a file names in `import`, `export … from` and `import()`. */
function importsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|[\s;}])(?:import|from)\s*\(?\s*'([^']+)'/g)].map(([, name]) => name ?? '');
}

/** The forbidden imports of one file, each as a sentence. */
function forbidden(file: string, text: string): string[] {
  const room = roomOf(file);
  const allowed = room === '' ? 'all' : (ALLOWED[room] ?? []);
  return importsOf(text)
    .filter((name) => name.startsWith('.'))
    .map((name) => roomOf(path.normalize(path.join(path.dirname(file), name))))
    .filter((target) => target !== room && allowed !== 'all' && !allowed.includes(target))
    .map((target) => `${file} imports from ${target === '' ? 'src itself' : target}`);
}

describe('the rooms of src', () => {
  test('every folder of src is one that the rule knows', () => {
    expect(sources.map(({ file }) => roomOf(file)).filter((room) => room !== '' && !(room in ALLOWED))).toEqual([]);
  });

  test('a room imports only from the rooms that it is allowed', () => {
    expect(sources.flatMap(({ file, text }) => forbidden(file, text))).toEqual([]);
  });

  test('the walk finds imports in every form and tells forbidden ones', () => {
    const text =
      "import { a } from '../core/a.ts';\nimport type { b } from '../redis/b.ts';\nexport { c } from '../files/c.ts';\nawait import('../cli/d.ts');\n";
    expect(forbidden(path.join('cache', 'x.ts'), text)).toEqual([
      `${path.join('cache', 'x.ts')} imports from redis`,
      `${path.join('cache', 'x.ts')} imports from files`,
      `${path.join('cache', 'x.ts')} imports from cli`,
    ]);
  });

  test.each([
    ['ioredis', ['redis']],
    ['pg', ['postgres']],
    ['@electric-sql/pglite', ['postgres']],
    ['fastify', ['service']],
    ['@opentelemetry/api', ['opentelemetry']],
    ['commander', ['cli']],
  ])('%s is known to %j alone', (library, rooms) => {
    const users = sources.filter(({ text }) => importsOf(text).some((name) => name === library || name.startsWith(`${library}/`)));
    expect(users.map(({ file }) => file).filter((file) => !rooms.includes(roomOf(file)))).toEqual([]);
  });

  test(`no file is longer than ${MAX_LINES} lines`, () => {
    expect(sources.filter(({ text }) => text.split('\n').length - 1 > MAX_LINES).map(({ file }) => file)).toEqual([]);
  });

  test('the engine takes its time, chance and timers from its options', () => {
    const own = /\b(?:Date\.now|Math\.random|performance\.now|setTimeout|setInterval|setImmediate)\b/;
    const code = (text: string): string => text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    expect(sources.filter(({ file, text }) => roomOf(file) === 'cache' && own.test(code(text))).map(({ file }) => file)).toEqual([]);
  });
});
