import { expect, test } from 'vitest';
import { parseCondition } from '../../../src/files/condition/parse.ts';
import { conditionSql } from '../../../src/postgres/condition-sql.ts';

function sqlOf(text: string): { readonly sql: string; readonly params: readonly unknown[] } {
  const params: unknown[] = [];
  return { sql: conditionSql(parseCondition(text), params), params };
}

test.each([
  ['size > 1000000', '(size > $1::numeric)', ['1000000']],
  ["mime_type like 'image/%' and size >= 1.5", '((mime_type like $1::text) and (size >= $2::numeric))', ['image/%', '1.5']],
  ["NAME = 'it''s' OR version <> -3", '((name = $1::text) or (version <> $2::numeric))', ["it's", '-3']],
  [
    'not size in (1,2) and (sha256 is null or sha256 is not null)',
    '((not (size in ($1::numeric, $2::numeric))) and ((sha256 is null) or (not (sha256 is null))))',
    ['1', '2'],
  ],
  [
    "size not between 1 and 2 and path ilike 'A%'",
    '((not ((size >= $1::numeric) and (size <= $2::numeric))) and (path ilike $3::text))',
    ['1', '2', 'A%'],
  ],
  ["'final' = any(tags)", '($1::text = any(tags))', ['final']],
  ["updated_at > now() - interval '2 days'", '(updated_at > (statement_timestamp() - make_interval(secs => $1::float8)))', [172_800]],
  ["created_at < '2026-02-01'", '(created_at < $1::timestamptz)', ['2026-02-01']],
  [
    'size != 1 or size = 2 and version = 3',
    '((size <> $1::numeric) or ((size = $2::numeric) and (version = $3::numeric)))',
    ['1', '2', '3'],
  ],
])('%s', (text, sql, params) => {
  expect(sqlOf(text)).toEqual({ sql, params });
});

test.each([
  ['a second statement', 'size > 1; drop table forebay.file_info'],
  ['a line comment', 'size > 1 -- and nothing after'],
  ['a block comment', 'size > 1 /* x */'],
  ['a function with side effects', 'size > 1 and pg_sleep(10) is null'],
  ['a function that reads files', "name = pg_read_file('/etc/passwd')"],
  ['a sub-query', 'size > (select count(*) from pg_authid)'],
  ['a union', 'size > 1) union select id from forebay.file_meta where (1 = 1'],
  ['a quote that is not closed', "name = 'x"],
  ['an escape string', "name = E'\\x41'"],
  ['a dollar quote', 'name = $$x$$'],
  ['a parameter', 'size = $1'],
  ['a quoted name', '"size" = 1'],
  ['another table', 'forebay.file_meta.version = 1'],
  ['a cast', "size = '1'::bigint"],
  ['a column that is not listed', 'path_bytes is null'],
  ['a bare truth', 'true'],
  ['nothing', '  '],
  ['arithmetic', 'size > 1 + 1'],
  ['a column as a value', 'size > version'],
  ['a text for a number', "size > '1'"],
  ['a number for a text', 'name = 1'],
  ['a pattern for a number', "size like '1%'"],
  ['a pattern that ends in a backslash', "name like 'x\\'"],
  ['no time', "updated_at > 'yesterday'"],
  ['a day that there is not', "updated_at > '2026-02-30'"],
  ['no id', "id = 'x'"],
  ['a NUL', "name = 'a\0b'"],
  ['half a character', "name = '\ud800'"],
  ['a number with letters', 'size > 1e9'],
  ['too deep a nest', `${'('.repeat(40)}size > 1${')'.repeat(40)}`],
  ['too many nots', `${'not '.repeat(40)}size > 1`],
  ['too long a text', `size in (${Array.from({ length: 3000 }, () => '1').join(',')})`],
  ['a join that is missing', 'size > 1 size < 2'],
  ['an unknown escape of the object', '__proto__ = 1'],
])('%s is refused, with its place', (_, text) => {
  expect(() => parseCondition(text)).toThrow(/^(?:the condition, at character \d+: |"x" is not a file id)/);
});

test('the place and what has to come are said', () => {
  expect(() => parseCondition("size > 1 and nam = 'x'")).toThrow(
    'the condition, at character 14: "nam" where a column (id, name, path, mime_type, owner_id, sha256, size, version, created_at, updated_at) or \'TAG\' = any(tags) has to come',
  );
  expect(() => parseCondition('size > 1; drop')).toThrow('at character 9: "; drop" is nothing that a condition may hold');
});
