import type { BreakerControl, BreakerCounts, BreakerState } from '../../cache/breaker-types.ts';

/** From the state that lets most through to the one that lets least. */
const BY_WEIGHT: readonly BreakerState[] = ['closed', 'half-open', 'open', 'isolated'];

/** The breakers of all nodes of a Cluster as one: it is as bad as the worst of them, and what is done to it is done to all, those that come later too. */
export class NodeBreakers implements BreakerControl {
  readonly #nodes: () => readonly BreakerControl[];
  #isIsolated = false;
  /** What the breakers of nodes that left had counted. */
  readonly #past = { transitions: { closed: 0, open: 0, 'half-open': 0, isolated: 0 }, refused: 0 };

  constructor(nodes: () => readonly BreakerControl[]) {
    this.#nodes = nodes;
  }

  get state(): BreakerState {
    return this.#worst?.state ?? (this.#isIsolated ? 'isolated' : 'closed');
  }

  get reason(): string {
    return this.#worst?.reason ?? 'no node of the Cluster is known yet';
  }

  get counts(): BreakerCounts {
    const sum = { transitions: { ...this.#past.transitions }, refused: this.#past.refused };
    for (const { counts } of this.#nodes()) add(sum, counts);
    return sum;
  }

  isolate(): BreakerState {
    this.#isIsolated = true;
    for (const node of this.#nodes()) node.isolate();
    return this.state;
  }

  restore(): BreakerState {
    this.#isIsolated = false;
    for (const node of this.#nodes()) node.restore();
    return this.state;
  }

  probe(): BreakerState {
    for (const node of this.#nodes()) node.probe();
    return this.state;
  }

  /** A node that has just come. */
  join(node: BreakerControl): void {
    if (this.#isIsolated) node.isolate();
  }

  /** A node that is no more. */
  leave({ counts }: BreakerControl): void {
    add(this.#past, counts);
  }

  get #worst(): BreakerControl | undefined {
    return this.#nodes().toSorted((a, b) => BY_WEIGHT.indexOf(b.state) - BY_WEIGHT.indexOf(a.state))[0];
  }
}

interface Sum {
  readonly transitions: Record<BreakerState, number>;
  refused: number;
}

function add(sum: Sum, counts: BreakerCounts): void {
  for (const state of BY_WEIGHT) sum.transitions[state] += counts.transitions[state];
  sum.refused += counts.refused;
}
