import { expect, test } from 'vitest';
import type { BreakerControl, BreakerState } from '../../../src/cache/breaker-types.ts';
import { NodeBreakers } from '../../../src/redis/cluster/breakers.ts';

class Node implements BreakerControl {
  state: BreakerState = 'closed';
  reason = 'told so';
  counts = { transitions: { closed: 1, open: 2, 'half-open': 3, isolated: 4 }, refused: 5 };
  isolate(): BreakerState {
    return (this.state = 'isolated');
  }
  restore(): BreakerState {
    return (this.state = 'half-open');
  }
  probe(): BreakerState {
    return this.state === 'open' ? (this.state = 'half-open') : this.state;
  }
}

test('the breakers of a Cluster are as bad as the worst of them', () => {
  const nodes = [new Node(), new Node()];
  const all = new NodeBreakers(() => nodes);
  const [first] = nodes;
  for (const state of ['closed', 'half-open', 'open', 'isolated'] as const) {
    if (first !== undefined) first.state = state;
    expect(all.state).toBe(state);
  }
});

test('what is done to all is done to a node that comes later, until it is undone', () => {
  const nodes: Node[] = [];
  const all = new NodeBreakers(() => nodes);
  expect([all.state, all.isolate()]).toEqual(['closed', 'isolated']);
  const late = new Node();
  all.join(late);
  nodes.push(late);
  expect(late.state).toBe('isolated');
  expect(all.restore()).toBe('half-open');
  const later = new Node();
  all.join(later);
  expect(later.state).toBe('closed');
});

test('what the breaker of a node that left had counted is not lost: counters never fall', () => {
  let nodes = [new Node(), new Node()];
  const all = new NodeBreakers(() => nodes);
  const before = all.counts;
  expect(before).toEqual({ transitions: { closed: 2, open: 4, 'half-open': 6, isolated: 8 }, refused: 10 });
  const [gone] = nodes;
  if (gone !== undefined) all.leave(gone);
  nodes = nodes.slice(1);
  expect(all.counts).toEqual(before);
});
