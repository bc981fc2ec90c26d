import { describe, expect, test } from 'vitest';
import type { PreparedSource, Source } from '../../src/cache/source.ts';
import { prepareSource } from '../../src/cache/source.ts';
import { ForebayError } from '../../src/core/errors.ts';

const call = { signal: new AbortController().signal };

/** One kind of source over rows that a test gives. */
type Make = (rows: ReadonlyMap<string, unknown>) => Source<string, unknown>;

const kinds: readonly (readonly [name: string, make: Make])[] = [
  ['a function', (rows) => (key) => rows.get(key)],
  ['an async function', (rows) => async (key) => rows.get(key)],
  ['loadMany', (rows) => ({ loadMany: async (keys) => new Map(keys.map((key) => [key, rows.get(key)])) })],
];

/** What a prepared source says of each key, asked as the engine asks: never more keys at once than it allows. */
async function ask(source: PreparedSource<string>, keys: readonly string[]): Promise<(string | null | ForebayError)[]> {
  const answers: (string | null | ForebayError)[] = [];
  for (let at = 0; at < keys.length; at += source.maxBatch) {
    for (const said of await source.load(keys.slice(at, at + source.maxBatch), call)) {
      answers.push(Buffer.isBuffer(said) ? said.toString() : said);
    }
  }
  return answers;
}

describe.each(kinds)('a source that is %s', (_name, make) => {
  test.each([
    [0, '0'],
    ['', '""'],
    [false, 'false'],
    ['naïve 文', '"naïve 文"'],
    [{ a: [1, { b: null }] }, '{"a":[1,{"b":null}]}'],
  ])('gives %j as its JSON', async (value, json) => {
    expect(await ask(prepareSource(make(new Map([['a', value]])), 10), ['a'])).toEqual([json]);
  });

  test('says absent for null, for undefined and for what it does not name, in the order asked', async () => {
    const rows = new Map<string, unknown>([
      ['null', null],
      ['undefined', undefined],
      ['there', 1],
    ]);
    expect(await ask(prepareSource(make(rows), 10), ['none', 'null', 'there', 'undefined'])).toEqual([null, null, '1', null]);
  });

  const circular: Record<string, unknown> = {};
  circular['self'] = circular;
  test.each([
    ['a BigInt', 1n, 'cannot be written as JSON'],
    ['an object that holds itself', circular, 'cannot be written as JSON'],
    ['a function', () => 1, 'is a function, which JSON cannot hold'],
    ['a symbol', Symbol('s'), 'is a symbol, which JSON cannot hold'],
  ])('%s is an error of its own key only, which the text names', async (_kind, bad, text) => {
    const rows = new Map<string, unknown>([
      ['good', 1],
      ['bad', bad],
    ]);
    const [good, error] = await ask(prepareSource(make(rows), 10), ['good', 'bad']);
    expect(good).toBe('1');
    expect(error).toMatchObject({ code: 'SOURCE_SHAPE', message: expect.stringContaining(`"bad" ${text}`) as string });
  });

  test('is told by the signal that it was given', async () => {
    const controller = new AbortController();
    let given: AbortSignal | undefined;
    const inner = make(new Map());
    const watched: Source<string, unknown> =
      typeof inner === 'function'
        ? (key, context) => {
            given = context.signal;
            return inner(key, context);
          }
        : {
            loadMany: (keys, context) => {
              given = context.signal;
              return inner.loadMany(keys, context);
            },
          };
    await prepareSource(watched, 10).load(['a'], { signal: controller.signal });
    expect(given).toBe(controller.signal);
  });
});

test('a function is asked for one key at a time, loadMany for as many as allowed', () => {
  expect(prepareSource(() => 1, 500).maxBatch).toBe(1);
  expect(prepareSource({ loadMany: () => Promise.resolve(new Map()) }, 500).maxBatch).toBe(500);
});

test.each([
  ['an object', {}, 'an object'],
  ['an array', [], 'an array'],
  ['null', null, 'null'],
  ['nothing', undefined, 'a undefined'],
])('loadMany that resolves to %s instead of a Map fails with a text that says so', async (_name, value, said) => {
  const source = prepareSource({ loadMany: () => Promise.resolve(value as never) }, 10);
  await expect(source.load(['a'], call)).rejects.toMatchObject({
    code: 'SOURCE_SHAPE',
    message: `loadMany has to resolve to a Map from key to value, not ${said}`,
  });
});

test('a source that throws synchronously rejects and does not throw', async () => {
  const thrown = new Error('at once');
  const fail = (): never => {
    throw thrown;
  };
  await expect(prepareSource(fail, 10).load(['a'], call)).rejects.toBe(thrown);
  await expect(prepareSource({ loadMany: fail }, 10).load(['a'], call)).rejects.toBe(thrown);
});

test.each([undefined, null, 'text', {}, { loadMany: 1 }])('%j is refused as a source, with the option named', (source) => {
  expect(() => prepareSource(source as never, 10)).toThrow(
    expect.objectContaining({ code: 'INPUT_INVALID', field: 'source' }) as ForebayError,
  );
  expect(() => prepareSource(source as never, 10)).toThrow(ForebayError);
});
