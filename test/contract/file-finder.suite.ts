import * as fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseCondition } from '../../src/files/condition/parse.ts';
import type { Condition } from '../../src/files/condition/condition.ts';
import { fileTags, withTag } from '../../src/files/file-tags.ts';
import type { FileFinder } from '../../src/files/finder.ts';
import type { FileId, FileInfo } from '../../src/files/records.ts';
import type { Database } from '../../src/postgres/index.ts';
import { createFileStore } from '../../src/postgres/index.ts';
import { createFileFinder } from '../../src/postgres/file-finder.ts';

const TAGS = ['final', "it's", 'owner:ann', 'folder:/srv', 'type:text/plain', '%', '日本'];
const PATHS = ['/srv/a.txt', '/srv/sub/a.txt', '/top', '//odd', 'bare', '/srv/50%_x.jpg', '/srv/new\nline', '/srv/a\\b.gif', '/a/', '/'];
const OWNERS = ['ann', "o'hara", 'folder:/srv', 'ann%'];
const TYPES = ['image/png', 'image/jpeg', 'text/plain', 'x:y'];
const FILES = 120;

/** What is promised of finding files, in a database that was migrated. */
export function describeFileFinder(name: string, open: () => Promise<Database>): void {
  describe(name, () => {
    let database: Database;
    let finder: FileFinder;
    let files: FileInfo[];

    beforeAll(async () => {
      database = await open();
      finder = createFileFinder(database);
      const store = createFileStore(database);
      files = [];
      for (let n = 0; n < FILES; n += 1) {
        const file = {
          path: PATHS[n % PATHS.length] ?? '',
          name: `n${n % 7}`,
          size: n * 1000,
          mimeType: TYPES[n % TYPES.length] ?? '',
          ownerId: OWNERS[(n >> 2) % OWNERS.length] ?? '',
          tags: TAGS.filter((_, at) => (n >> at) % 3 === 0),
          ...(n % 5 === 0 ? { sha256: String(n % 10).repeat(64) } : {}),
        };
        files.push(await store.create(file));
      }
    });

    const walk = async (condition: Condition, rows = 50): Promise<string[]> => {
      const ids: string[] = [];
      for (let after: FileId | null = null, pages = 0; pages < 100; pages += 1) {
        const page = await finder.find(condition, { after, rows });
        ids.push(...page.ids);
        if (page.last === null) break;
        after = page.last;
      }
      return ids;
    };
    const idsBy = async (where: string): Promise<string[]> =>
      (await database.query<{ id: string }>(`select id from forebay.file_info where ${where} order by id`)).map(({ id }) => id);

    it('a tag leads to the files whose entries carry it, and to no others', async () => {
      const asked = [
        ...new Set([
          ...files.flatMap(fileTags),
          'nobody has it',
          'folder:',
          'owner:',
          'type:',
          "x' or '1'='1",
          'folder:/srv/',
          'owner:ANN',
        ]),
      ];
      for (const tag of asked) {
        const expected = files.filter((file) => fileTags(file).includes(tag)).map(({ id }) => id);
        expect(await walk(withTag(tag)), tag).toEqual(expected.toSorted());
      }
    });

    it('pages follow each other to the end, and each looks at no more rows than it was told', async () => {
      const condition = parseCondition('size < 0 or size >= 60000');
      expect(await walk(condition, 7)).toHaveLength(60);
      const { ids, seen, last } = await finder.find(parseCondition('size < 0'), { rows: 7 });
      expect({ ids, seen }).toEqual({ ids: [], seen: 7 });
      expect(last).toBe(files.map(({ id }) => id).toSorted()[6]);
      expect(await finder.find(condition, { rows: FILES + 1 })).toMatchObject({ seen: FILES, last: null });
    });

    it('a condition means what it means in SQL', async () => {
      const quoted = (texts: readonly string[]) => fc.constantFrom(...texts).map((text) => `'${text.replaceAll("'", "''")}'`);
      const number = fc.constantFrom('0', '1000', '60000', '59999.5', '-1');
      const by = fc.constantFrom('=', '<>', '!=', '<', '<=', '>', '>=');
      const not = fc.constantFrom('', 'not ');
      const patterns = ['image/%', '%a%', '/srv/__%', '%\\_%', '%%', "%'%", 'IMAGE/p_g', '/srv/%\\%%'];
      const term = fc.oneof(
        fc.tuple(fc.constantFrom('size', 'version'), by, number).map((parts) => parts.join(' ')),
        fc
          .tuple(fc.constantFrom('name', 'path', 'owner_id', 'mime_type'), by, quoted([...PATHS, ...OWNERS, ...TYPES]))
          .map((parts) => parts.join(' ')),
        fc
          .tuple(fc.constantFrom('path', 'mime_type', 'owner_id'), not, fc.constantFrom('like', 'ilike'), quoted(patterns))
          .map(([column, no, like, pattern]) => `${column} ${no}${like} ${pattern}`),
        fc
          .tuple(fc.constantFrom('size'), not, number, number)
          .map(([column, no, low, high]) => `${column} ${no}between ${low} and ${high}`),
        fc
          .tuple(not, fc.array(quoted(OWNERS), { minLength: 1, maxLength: 3 }))
          .map(([no, values]) => `owner_id ${no}in (${values.join(', ')})`),
        not.map((no) => `sha256 is ${no}null`),
        quoted(TAGS).map((tag) => `${tag} = any(tags)`),
        fc.constantFrom(
          "updated_at > now() - interval '1 hour'",
          "created_at < '2020-01-01'",
          "created_at between '2020-01-01T00:00:00Z' and now()",
        ),
      );
      const { condition } = fc.letrec<{ condition: string }>((tie) => ({
        condition: fc.oneof(
          { depthSize: 'small', withCrossShrink: true },
          term,
          fc.tuple(tie('condition'), fc.constantFrom('and', 'or'), tie('condition')).map((parts) => parts.join(' ')),
          tie('condition').map((inner) => `not (${inner})`),
          tie('condition').map((inner) => `not ${inner}`),
          tie('condition').map((inner) => `(${inner})`),
        ),
      }));
      await fc.assert(
        fc.asyncProperty(condition, async (text) => {
          expect(await walk(parseCondition(text), FILES + 1)).toEqual(await idsBy(text));
        }),
        { numRuns: 150 },
      );
    });

    it('a value that only the database knows to be none is an error of the input', async () => {
      const condition = parseCondition("updated_at > '2026-01-01T00:00:00+20:00'");
      await expect(finder.find(condition, { rows: 10 })).rejects.toMatchObject({ code: 'INPUT_INVALID', field: 'where' });
    });

    it('how many there are is told once the database has statistics', async () => {
      await database.exec('analyze forebay.file_info');
      expect(await finder.about()).toBe(FILES);
    });
  });
}
