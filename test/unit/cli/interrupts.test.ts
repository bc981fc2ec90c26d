import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { listenForInterrupts, type Interrupts } from '../../../src/cli/interrupts.ts';

let nowMs = 0;
let exits = 0;
let interrupts: Interrupts;
beforeEach(() => {
  nowMs = 0;
  exits = 0;
  interrupts = listenForInterrupts(
    () => (exits += 1),
    () => nowMs,
  );
});
afterEach(() => interrupts[Symbol.dispose]());

describe('signals that ask the program to end', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s begins the orderly stop', (signal) => {
    process.emit(signal, signal);
    expect(interrupts.signal.aborted).toBe(true);
    expect(exits).toBe(0);
  });

  test('the echoes of one Ctrl-C are not a second one', () => {
    for (const at of [0, 3, 40, 500]) {
      nowMs = at;
      process.emit('SIGINT', 'SIGINT');
    }
    expect(exits).toBe(0);
  });

  test('a second one ends what must not outlive the process, and then the process', () => {
    const seen: string[] = [];
    interrupts.endAtOnce(() => seen.push(`ended before ${exits} exits`));
    const takeOff = interrupts.endAtOnce(() => seen.push('taken off'));
    takeOff();
    process.emit('SIGINT', 'SIGINT');
    nowMs = 501;
    process.emit('SIGINT', 'SIGINT');
    expect(seen).toEqual(['ended before 0 exits']);
    expect(exits).toBe(1);
  });
});
