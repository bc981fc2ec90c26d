import type { WriteNote } from './logs.ts';
import type { Sighting } from './witness.ts';

/** One committed state of a key. Versions order the states; an absence comes half a step after the version that was deleted. */
interface State {
  readonly order: number;
  /** From here on everyone may know: the earliest moment at which somebody was told that it is committed; infinite where nobody was. */
  readonly ackAt: number;
}

interface Absence extends State {
  readonly beganAt: number;
}

interface Write {
  readonly key: number;
  readonly kind: 'update' | 'create' | 'delete';
  readonly beganAt: number;
  readonly told: 'tag' | null;
  version: number | null;
  ackAt: number;
  doneAt: number;
  rolledBack: boolean;
}

/** What a read came to when it is held against the history. */
export type Judged = { readonly kind: 'ghost' } | { readonly kind: 'state'; readonly order: number };

/** Everything that was ever committed, key by key. Its size is that of the writes; reads are only held against it. */
export class History {
  readonly #writes = new Map<number, Write>();
  readonly #orders: Float64Array[] = [];
  /** For each state the earliest acknowledgement of it or any later one. */
  readonly #ackFrom: Float64Array[] = [];
  readonly #absences: Absence[][] = [];
  /** Marks and versions that the database itself was seen to have. */
  readonly #seen = new Map<number, number>();
  readonly committed: number;
  readonly failed: number;

  constructor(notes: readonly WriteNote[], sightings: readonly Sighting[], keys: number) {
    let failed = 0;
    for (const note of notes) {
      if (note.step === 'failed') failed += 1;
      this.#note(note);
    }
    const byKey = Array.from({ length: keys }, (): State[] => []);
    for (let key = 0; key < keys; key += 1) this.#absences.push([]);
    this.#addWrites(byKey);
    this.#addSightings(byKey, sightings);
    let committed = 0;
    for (const states of byKey) {
      states.sort((a, b) => a.order - b.order);
      committed += new Set(states.map(({ order }) => order)).size;
      const ackFrom = new Float64Array(states.length);
      let earliest = Number.POSITIVE_INFINITY;
      for (let i = states.length - 1; i >= 0; i -= 1) {
        earliest = Math.min(earliest, states[i]?.ackAt ?? earliest);
        ackFrom[i] = earliest;
      }
      this.#orders.push(Float64Array.from(states, ({ order }) => order));
      this.#ackFrom.push(ackFrom);
    }
    this.committed = committed;
    this.failed = failed;
  }

  /** When it was first known that something newer than this state was committed; infinite if never. */
  newerSince(key: number, order: number): number {
    const orders = this.#orders[key] ?? new Float64Array();
    let [from, to] = [0, orders.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if ((orders[middle] ?? 0) > order) to = middle;
      else from = middle + 1;
    }
    return this.#ackFrom[key]?.[from] ?? Number.POSITIVE_INFINITY;
  }

  /** Which state a version with a mark is, if it ever was one. */
  present(key: number, version: number, mark: number): Judged {
    const write = this.#writes.get(mark);
    const known = write === undefined ? this.#seen.get(mark) : write.version;
    const isOurs = write === undefined ? known !== undefined : write.key === key && !write.rolledBack;
    return isOurs && (known === null || known === undefined || known === version) ? { kind: 'state', order: version } : { kind: 'ghost' };
  }

  /** Absences look alike: a read gets the benefit of the doubt and is taken to have seen the newest one that it can have seen. */
  absent(key: number, endedAt: number): Judged {
    let order = Number.NEGATIVE_INFINITY;
    for (const absence of this.#absences[key] ?? []) if (absence.beganAt <= endedAt) order = Math.max(order, absence.order);
    return order === Number.NEGATIVE_INFINITY ? { kind: 'ghost' } : { kind: 'state', order };
  }

  /** Writes that their writer was told of, for "reads its own writes": when, and what state it made. */
  *done(): Generator<{ write: number; key: number; order: number; doneAt: number }> {
    for (const [write, { key, kind, version, doneAt }] of this.#writes)
      if (version !== null && doneAt < Number.POSITIVE_INFINITY)
        yield { write, key, order: kind === 'delete' ? version + 0.5 : version, doneAt };
  }

  #note(note: WriteNote): void {
    if (note.step === 'begun') {
      const { key, kind, at, told = null, version = null } = note;
      const never = Number.POSITIVE_INFINITY;
      this.#writes.set(note.write, { key, kind, beganAt: at, told, version, ackAt: never, doneAt: never, rolledBack: false });
      return;
    }
    const write = this.#writes.get(note.write);
    if (write === undefined) return;
    if (note.step === 'rolledBack') write.rolledBack = true;
    if (note.step === 'committed' || note.step === 'done') write.ackAt = Math.min(write.ackAt, note.at);
    if (note.step === 'done') {
      write.version = note.version;
      write.doneAt = note.at;
    }
  }

  #addWrites(byKey: State[][]): void {
    for (const { key, kind, version, ackAt, beganAt, rolledBack } of this.#writes.values()) {
      if (version === null || rolledBack) continue;
      if (kind !== 'delete') byKey[key]?.push({ order: version, ackAt });
      else {
        this.#absences[key]?.push({ order: version + 0.5, ackAt, beganAt });
        if (ackAt < Number.POSITIVE_INFINITY) byKey[key]?.push({ order: version + 0.5, ackAt });
      }
    }
  }

  /** A sighting proves a commit whose writer could not tell of it any more. */
  #addSightings(byKey: State[][], sightings: readonly Sighting[]): void {
    for (const { key, version, mark, beforeAt, seenAt } of sightings) {
      if (version === null) {
        // The newest delete that was begun before the witness asked is the one that it saw done: each of these keys has one writer, which does one thing at a time.
        const newest = this.#absences[key]?.filter(({ beganAt }) => beganAt < beforeAt).toSorted((a, b) => b.beganAt - a.beganAt)[0];
        if (newest !== undefined) byKey[key]?.push({ order: newest.order, ackAt: seenAt });
        continue;
      }
      const write = this.#writes.get(mark);
      this.#seen.set(mark, version);
      if (write !== undefined) write.version ??= version;
      if (write?.told !== 'tag') byKey[key]?.push({ order: version, ackAt: seenAt });
    }
  }
}
