import { describe, expect, test } from 'vitest';
import type { Flight } from '../../../src/cache/flights.ts';
import { Flights } from '../../../src/cache/flights.ts';
import type { Lookup } from '../../../src/cache/lookup.ts';

const found: Lookup<number> = {
  outcome: 'loaded',
  tier: 'source',
  value: 1,
  json: Buffer.from('1'),
  version: 0,
  ageMs: 0,
  ttlLeftMs: 1,
  joined: false,
  stored: false,
};
const fallback = { entry: {} as never, tier: 'local' } as const;

function depart(flights: Flights<string, number>, text: string): Flight<string, number> {
  return flights.depart({
    key: text,
    text,
    kind: 'miss',
    direct: false,
    limits: null,
    startedAt: 0,
    span: null,
    asOf: 0,
    tagChanges: 0,
    fallback,
  });
}

describe('callers of one flight', () => {
  test('all get what it brings', async () => {
    const flights = new Flights<string, number>();
    const flight = depart(flights, 'a');
    const waits = Array.from({ length: 3 }, () => flights.wait(flight, flight.answer, undefined));
    flights.land(flight, found);
    expect(await Promise.all(waits)).toEqual([found, found, found]);
    expect([flights.size, flights.find('a')]).toEqual([0, undefined]);
  });

  test('leave each for itself: the reason reaches the one who left, the others get the answer', async () => {
    const flights = new Flights<string, number>();
    const flight = depart(flights, 'a');
    const controller = new AbortController();
    const leaver = flights.wait(flight, flight.answer, controller.signal);
    const stayer = flights.wait(flight, flight.answer, new AbortController().signal);
    const reason = new Error('enough');
    controller.abort(reason);
    await expect(leaver).rejects.toBe(reason);
    expect([flight.controller.signal.aborted, flight.waiters, flights.find('a')]).toEqual([false, 1, flight]);
    flights.land(flight, found);
    expect(await stayer).toBe(found);
  });

  test('tell the load when all have left, and nobody joins any more', async () => {
    const flights = new Flights<string, number>();
    const flight = depart(flights, 'a');
    const controllers = [new AbortController(), new AbortController()];
    const waits = controllers.map(({ signal }) => flights.wait(flight, flight.answer, signal));
    for (const controller of controllers) controller.abort();
    await Promise.all(waits.map((wait) => expect(wait).rejects.toMatchObject({ name: 'AbortError' })));
    expect([flight.controller.signal.aborted, flight.tainted, flights.find('a'), flights.size]).toEqual([true, true, undefined, 1]);
    flights.land(flight, found);
    expect(flights.size).toBe(0);
  });

  test('without a signal cannot leave, so the load is not called off', async () => {
    const flights = new Flights<string, number>();
    const flight = depart(flights, 'a');
    const stayer = flights.wait(flight, flight.answer, undefined);
    const controller = new AbortController();
    const leaver = flights.wait(flight, flight.answer, controller.signal);
    controller.abort();
    await expect(leaver).rejects.toMatchObject({ name: 'AbortError' });
    expect(flight.controller.signal.aborted).toBe(false);
    flights.land(flight, found);
    expect(await stayer).toBe(found);
  });

  test('that have their answer are not counted as leaving when their signal aborts later', async () => {
    const flights = new Flights<string, number>();
    const flight = depart(flights, 'a');
    const controller = new AbortController();
    const wait = flights.wait(flight, flight.answer, controller.signal);
    flight.resolveAnswer(found);
    expect(await wait).toBe(found);
    controller.abort();
    expect([flight.waiters, flight.controller.signal.aborted, flight.tainted]).toEqual([1, false, false]);
  });

  test('may share one signal by the hundred without a warning of a leak', async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on('warning', listen);
    const flights = new Flights<string, number>();
    const flight = depart(flights, 'a');
    const { signal } = new AbortController();
    const waits = Array.from({ length: 500 }, () => flights.wait(flight, flight.answer, signal));
    flights.land(flight, found);
    await Promise.all(waits);
    await new Promise((resolve) => void setImmediate(resolve));
    process.off('warning', listen);
    expect(warnings).toEqual([]);
  });
});

describe('an invalidation', () => {
  test('taints the flight of its key only, and nobody joins that one any more', () => {
    const flights = new Flights<string, number>();
    const [a, b] = [depart(flights, 'a'), depart(flights, 'b')];
    expect([flights.taint('a', false), flights.taint('none', false)]).toEqual([true, false]);
    expect([a.tainted, b.tainted, flights.find('a'), flights.find('b')]).toEqual([true, false, undefined, b]);
    expect([a.fallback, flights.size]).toEqual([fallback, 2]);
  });

  test('that purges also takes the old entry away', () => {
    const flights = new Flights<string, number>();
    const flight = depart(flights, 'a');
    flights.taint('a', true);
    expect(flight.fallback).toBeNull();
  });

  test('of everything meets flights too that nobody may join any more', () => {
    const flights = new Flights<string, number>();
    const older = depart(flights, 'a');
    flights.taint('a', false);
    const newer = depart(flights, 'a');
    flights.taintAll(true);
    expect([older.tainted, older.fallback, newer.tainted, newer.fallback]).toEqual([true, null, true, null]);
  });
});

test('a flight that another replaces stores nothing, and its landing leaves the newer one in place', () => {
  const flights = new Flights<string, number>();
  const older = depart(flights, 'a');
  const newer = depart(flights, 'a');
  expect([older.tainted, newer.tainted, flights.find('a'), flights.size]).toEqual([true, false, newer, 2]);
  flights.land(older, found);
  expect([flights.find('a'), flights.size]).toEqual([newer, 1]);
});

test('an early answer does not end a flight; landing does not change it', async () => {
  const flights = new Flights<string, number>();
  const flight = depart(flights, 'a');
  const stale: Lookup<number> = { ...found, outcome: 'stale', tier: 'local' } as never;
  flight.resolveAnswer(stale);
  expect(await flights.wait(flight, flight.answer, undefined)).toBe(stale);
  expect(flights.find('a')).toBe(flight);
  flights.land(flight, found);
  expect([await flight.answer, await flight.landed]).toEqual([stale, found]);
});

test('calling off tells the loads of all flights why', () => {
  const flights = new Flights<string, number>();
  const up = [depart(flights, 'a'), depart(flights, 'b')];
  const reason = new Error('closed');
  flights.callOff(reason);
  expect(up.map((flight) => flight.controller.signal.reason as unknown)).toEqual([reason, reason]);
});
