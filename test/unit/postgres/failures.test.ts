import { describe, expect, test } from 'vitest';
import { ForebayError } from '../../../src/core/errors.ts';
import { asDatabaseError, breaksConnection } from '../../../src/postgres/failures.ts';

const failed = (code: string | undefined, message = 'said the driver'): Error =>
  Object.assign(new Error(message), code === undefined ? {} : { code });

describe('what a driver throws', () => {
  test.each([
    ['ECONNREFUSED', 'host and port'],
    ['28P01', 'password'],
    ['3D000', 'create the database'],
    ['53300', 'maxConnections'],
    ['57014', 'time limit'],
    ['57P03', 'tried again'],
    ['25006', 'primary'],
  ])('%s becomes DATABASE_UNAVAILABLE with what to do: %s', (code, advice) => {
    const error = asDatabaseError(failed(code), 'database "d" on h:5432');
    expect(error).toMatchObject({ code: 'DATABASE_UNAVAILABLE', message: expect.stringContaining(advice) });
    expect((error as Error).message).toContain('database "d" on h:5432');
  });

  test('names every address that refused when a host has several', () => {
    const both = Object.assign(new AggregateError([failed(undefined, 'no ::1'), failed(undefined, 'no 127.0.0.1')]), {
      code: 'ECONNREFUSED',
    });
    expect(asDatabaseError(both, 'd')).toMatchObject({ message: expect.stringContaining('no ::1; no 127.0.0.1') });
  });

  test('stays as it is when the database answered: with its own refusal, or with an error of ours', () => {
    for (const thrown of [failed('23505'), failed('42601'), new TypeError('a mistake'), new ForebayError('CLOSED', 'x')]) {
      expect(asDatabaseError(thrown, 'd')).toBe(thrown);
    }
  });

  test('closes the connection unless the server said what was wrong with the statement', () => {
    expect(breaksConnection(failed('23505'))).toBe(false);
    expect(breaksConnection(failed('57014'))).toBe(false);
    for (const thrown of [failed('57P01'), failed('08006'), failed('ECONNRESET'), failed(undefined, 'Query read timeout')]) {
      expect(breaksConnection(thrown)).toBe(true);
    }
  });
});
