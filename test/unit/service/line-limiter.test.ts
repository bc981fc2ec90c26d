import { expect, test } from 'vitest';
import { LineLimiter } from '../../../src/service/line-limiter.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function open() {
  const clock = new FakeClock();
  const told: [string, number][] = [];
  const limiter = new LineLimiter(clock, (name, held) => told.push([name, held]), { most: 3, windowMs: 1000 });
  const passed = (name: string, lines: number): number => Array.from({ length: lines }, () => limiter.passes(name)).filter(Boolean).length;
  return { clock, told, limiter, passed };
}

test('the first lines of a class pass, and the end of the window tells how many more there were', () => {
  const { clock, told, limiter, passed } = open();
  expect(passed('DOWN', 10)).toBe(3);
  clock.advance(999);
  expect(told).toEqual([]);
  clock.advance(1);
  expect(told).toEqual([['DOWN', 7]]);
  expect(passed('DOWN', 2)).toBe(2);
  clock.advance(1000);
  expect([told.length, limiter.held.get('DOWN'), clock.timers]).toEqual([1, 7, 0]);
});

test('one class does not silence another', () => {
  const { passed } = open();
  expect([passed('DOWN', 5), passed('OVERLOADED', 2)]).toEqual([3, 2]);
});

test('closing tells at once what was held back, and leaves no timer', () => {
  const { clock, told, limiter, passed } = open();
  passed('DOWN', 4);
  passed('OVERLOADED', 1);
  limiter.close();
  expect([told, clock.timers]).toEqual([[['DOWN', 1]], 0]);
});
