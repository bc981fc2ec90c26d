import { describe, expect, it } from 'vitest';
import type { ForebayEvent } from '../../../../src/event-log.ts';
import { HISTORY_LENGTH } from '../../../../src/service/dashboard/history.ts';
import type { Watcher } from '../../../../src/service/dashboard/live.ts';
import { Live, LIVE } from '../../../../src/service/dashboard/live.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { calmVitals } from '../../../support/vitals.ts';

/** What the messages hold, as far as it is looked at. */
interface Data {
  readonly columns: { readonly at: readonly number[] };
  readonly events: readonly ForebayEvent[];
  readonly snapshot: { readonly status: { readonly level: string } };
}

/** One who writes down what comes, and reads at will. */
class Listener implements Watcher {
  text = '';
  unsent = 0;
  ended: 'end' | 'drop' | null = null;
  write(text: string): void {
    this.text += text;
  }
  unsentBytes(): number {
    return this.unsent;
  }
  end(): void {
    this.ended = 'end';
  }
  drop(): void {
    this.ended = 'drop';
  }
  get messages(): { event: string; data: Data }[] {
    return [...this.text.matchAll(/^event: (\w+)\ndata: (.*)\n\n/gm)].map(([, event = '', data = '']) => ({
      event,
      data: JSON.parse(data) as Data,
    }));
  }
}

function start() {
  const clock = new FakeClock();
  const events: ForebayEvent[] = [];
  const failures: unknown[] = [];
  const world = { clock, events, failures, looks: 0, fails: false };
  const live = new Live({
    clock,
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: (...line) => void failures.push(line) },
    look: () => {
      world.looks += 1;
      if (world.fails) throw new Error('no look');
      return { now: clock.now(), wallNow: 1e12 + clock.now(), vitals: calmVitals(), http: { requests: 0, failed: 0 } };
    },
    needsToken: false,
    events: (after) => events.filter(({ number }) => number > after),
  });
  const happen = (text: string): void => void events.push({ number: events.length + 1, at: 1, kind: 'redis', level: 'warning', text });
  return { clock, failures, world, live, happen };
}

describe('the stream', () => {
  it('gives whoever comes the last ten minutes at once, and no more of them, and then a snapshot a second', () => {
    const { live, clock, happen } = start();
    happen('before');
    clock.advance((HISTORY_LENGTH + 50) * 1000);
    const listener = new Listener();
    live.watch(listener);
    expect(listener.text).toMatch(/^retry: 1000\nevent: history\n/);
    const data = listener.messages[0]?.data;
    expect(data?.columns.at).toHaveLength(HISTORY_LENGTH);
    expect(data?.events).toMatchObject([{ text: 'before' }]);
    expect(data?.snapshot.status.level).toBe('ok');
    happen('after');
    clock.advance(3000);
    expect(listener.messages.map(({ event }) => event)).toEqual(['history', 'snapshot', 'snapshot', 'snapshot']);
    expect(listener.messages.slice(1).flatMap((message) => message.data.events.map(({ text }) => text))).toEqual(['after']);
  });

  it('tells no event twice and none too few to one who comes between two looks', () => {
    const { live, clock, happen } = start();
    clock.advance(1000);
    happen('between');
    const listener = new Listener();
    live.watch(listener);
    clock.advance(1000);
    expect(listener.messages.flatMap(({ data }) => data.events.map(({ text }) => text))).toEqual(['between']);
  });

  it('beats on when it cannot look, and says so once in the log', () => {
    const { live, clock, world, failures } = start();
    const listener = new Listener();
    live.watch(listener);
    world.fails = true;
    clock.advance(3000);
    expect(listener.messages.map(({ event }) => event).slice(1)).toEqual(['heartbeat', 'heartbeat', 'heartbeat']);
    expect(failures).toHaveLength(1);
  });

  it('drops one who does not read, and nobody else', () => {
    const { live, clock } = start();
    const [slow, quick] = [new Listener(), new Listener()];
    live.watch(slow);
    live.watch(quick);
    slow.unsent = LIVE.maxUnsentBytes + 1;
    clock.advance(1000);
    expect([slow.ended, quick.ended, live.watchers, live.counts.dropped]).toEqual(['drop', null, 1, 1]);
    expect(slow.messages).toHaveLength(1);
  });

  it('admits no more than its limit, and one more when one has left', () => {
    const { live } = start();
    const leaving = Array.from({ length: LIVE.maxWatchers }, () => live.watch(new Listener()));
    expect(live.admits()).toBe(false);
    leaving[0]?.();
    expect([live.admits(), live.counts.refused]).toEqual([true, 1]);
  });

  it('says goodbye when it is closed, ends everyone, and looks no more', () => {
    const { live, clock, world } = start();
    const listener = new Listener();
    live.watch(listener);
    live.close();
    live.close();
    const { looks } = world;
    clock.advance(5000);
    expect([listener.messages.at(-1)?.event, listener.ended, live.admits(), world.looks]).toEqual(['bye', 'end', false, looks]);
  });
});
