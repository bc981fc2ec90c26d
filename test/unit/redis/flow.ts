import type { FakeClock } from '../../support/fake-clock.ts';
import type { MemoryConnection } from '../../support/memory-connection.ts';

/** Lets everything happen on these lines until nothing is left. */
export async function flow(clock: FakeClock, ...lines: MemoryConnection[]): Promise<void> {
  for (;;) {
    await clock.settle();
    const line = lines.find((one) => one.can('connect') || one.can('arrive') || one.can('deliver'));
    if (line === undefined) return;
    for (const moment of ['connect', 'arrive', 'deliver'] as const) line.step(moment);
  }
}

/** Lets all commands that were sent on a line arrive; their replies stay under way. */
export function arriveAll(line: MemoryConnection): void {
  while (line.can('arrive')) line.step('arrive');
}
