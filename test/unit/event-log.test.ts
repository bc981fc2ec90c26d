import { describe, expect, it } from 'vitest';
import { EventLog } from '../../src/event-log.ts';

describe('the log of events', () => {
  it('keeps the last two hundred, in order, with numbers that tell what is new', () => {
    let now = 0;
    const log = new EventLog(() => (now += 1));
    for (let n = 1; n <= 250; n += 1) log.add('redis', 'info', `event ${n}`);
    const events = log.since();
    expect([events.length, events[0]?.text, events.at(-1)?.text, events.at(-1)?.at]).toEqual([200, 'event 51', 'event 250', 250]);
    expect(log.since(248).map(({ number }) => number)).toEqual([249, 250]);
  });

  it('cuts long words of a server short', () => {
    const log = new EventLog(() => 0);
    log.add('redis', 'warning', 'x'.repeat(10_000));
    expect(log.since()[0]?.text.length).toBe(400);
  });

  it('tells of a breaker that opens and closes, and not of the probes of one that stays open', () => {
    const log = new EventLog(() => 0);
    log.breakerChanged({ from: 'closed', to: 'open', reason: '5 calls in a row were not answered in time' });
    log.breakerChanged({ from: 'open', to: 'half-open', reason: 'time for a probe' });
    log.breakerChanged({ from: 'half-open', to: 'open', reason: 'a probe was not answered' });
    log.breakerChanged({ from: 'open', to: 'half-open', reason: 'time for a probe' });
    log.breakerChanged({ from: 'half-open', to: 'closed', reason: '3 probes in a row were answered' });
    expect(log.since().map(({ level, text }) => `${level}: ${text}`)).toEqual([
      'warning: The breaker of Redis is open, no call passes: 5 calls in a row were not answered in time.',
      'good: The breaker of Redis is closed, calls pass: 3 probes in a row were answered.',
    ]);
  });
});
