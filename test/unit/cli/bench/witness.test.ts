import { expect, test } from 'vitest';
import { Witness } from '../../../../src/cli/bench/witness.ts';

const BOUND = 1000;

/** A read that begins at `at` and gives a version. */
function read(witness: Witness, key: number, version: number, at: number): void {
  const required = witness.required(key, at);
  if (required !== null) witness.saw(required, version, at);
}

test('an older version is staler than the bound only more than the bound after the newer one was written', () => {
  const witness = new Witness(10, BOUND);
  witness.wrote(3, 7, 100);
  read(witness, 3, 6, 1100);
  expect(witness.counts).toEqual({ checked: 1, stalerThanBound: 0, behindOwnWrites: 1, oldestMs: 1000 });
  read(witness, 3, 6, 1101);
  expect(witness.counts).toEqual({ checked: 2, stalerThanBound: 1, behindOwnWrites: 2, oldestMs: 1001 });
  read(witness, 3, 7, 1102);
  read(witness, 3, 8, 1103);
  expect(witness.counts).toMatchObject({ checked: 4, stalerThanBound: 1 });
});

test('of a record that is written again and again, each write falls due by itself', () => {
  const witness = new Witness(1, BOUND);
  for (let n = 1; n <= 20; n += 1) witness.wrote(0, n, n * 100);
  read(witness, 0, 10, 2050);
  expect(witness.counts).toMatchObject({ stalerThanBound: 0, oldestMs: 50 });
  read(witness, 0, 9, 2050);
  // It missed the tenth write, of 1000: that there was one again just before makes it no younger.
  expect(witness.counts).toMatchObject({ stalerThanBound: 1, oldestMs: 1050 });
});

test('a read is held against what was due when it began, however long it takes', () => {
  const witness = new Witness(1, BOUND);
  witness.wrote(0, 1, 0);
  const required = witness.required(0, 500);
  witness.wrote(0, 2, 600);
  read(witness, 0, 2, 5000);
  if (required !== null) witness.saw(required, 1, 500);
  expect(witness.counts).toMatchObject({ checked: 2, stalerThanBound: 0, behindOwnWrites: 0 });
});

test('what this run has not written is not checked, and answers that cross leave the newer version', () => {
  const witness = new Witness(2, BOUND);
  read(witness, 1, 5, 9000);
  expect(witness.counts.checked).toBe(0);
  witness.wrote(1, 9, 10);
  witness.wrote(1, 8, 20);
  read(witness, 1, 8, 9000);
  expect(witness.counts).toMatchObject({ checked: 1, stalerThanBound: 1 });
});

test('counts begin anew after a warm-up, and writes stay known', () => {
  const witness = new Witness(1, BOUND);
  witness.wrote(0, 2, 0);
  read(witness, 0, 1, 3000);
  witness.reset();
  expect(witness.counts).toEqual({ checked: 0, stalerThanBound: 0, behindOwnWrites: 0, oldestMs: 0 });
  read(witness, 0, 1, 4000);
  expect(witness.counts.stalerThanBound).toBe(1);
});

test('its memory is bounded, whatever is written', () => {
  const witness = new Witness(1000, BOUND);
  for (let n = 1; n <= 300_000; n += 1) witness.wrote(n % 1000, n, n / 1000);
  read(witness, 5, 300_000, 300_000);
  read(witness, 5, 1, 300_000);
  expect(witness.counts).toMatchObject({ checked: 2, stalerThanBound: 1 });
});
