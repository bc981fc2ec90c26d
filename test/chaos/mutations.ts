import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** One check of the engine, switched off by replacing a piece of its source. */
export interface Mutation {
  readonly name: string;
  /** What the engine then does without. */
  readonly without: string;
  /** Scenarios of which at least one has to break. */
  readonly caughtBy: readonly string[];
  readonly edits: readonly { readonly file: string; readonly find: string; readonly put: string }[];
}

export const mutations: readonly Mutation[] = [
  {
    name: 'no-taint',
    without: 'a load that an invalidation met is stored all the same',
    caughtBy: ['calm'],
    edits: [{ file: 'cache/flights.ts', find: '    flight.tainted = true;\n', put: '' }],
  },
  {
    name: 'no-lease-check',
    without: 'a loaded value is stored in Redis though its lease is gone',
    caughtBy: ['bus-half-open', 'bus-closed'],
    edits: [{ file: 'redis/scripts/fill.lua', find: "if redis.call('GET', KEYS[2]) ~= ARGV[1] then\n  return 0\nend\n", put: '' }],
  },
  {
    name: 'no-gap',
    without: 'entries from before a lost bus connection are kept when it is back',
    caughtBy: ['bus-closed'],
    edits: [{ file: 'redis/bus.ts', find: '    this.#o.onGap();\n    void this.#echo();', put: '    void this.#echo();' }],
  },
  {
    name: 'no-as-of',
    without: 'entries are served however old their proof is',
    caughtBy: ['bus-half-open', 'bus-closed'],
    edits: [{ file: 'cache/read-path.ts', find: "> maxStalenessMs) return 'unproven'", put: "> Number.MAX_VALUE) return 'unproven'" }],
  },
  {
    name: 'no-echo',
    without: 'a bus counts as heard though nothing came back on it',
    caughtBy: ['bus-half-open'],
    edits: [{ file: 'redis/bus.ts', find: '      await this.#o.client.ping();\n', put: '' }],
  },
];

/** @throws with the names there are, for one that is not among them. */
export function mutationNamed(name: string): Mutation {
  const found = mutations.find((mutation) => mutation.name === name);
  if (found === undefined) throw new Error(`there is no mutation "${name}"; there are ${mutations.map((each) => each.name).join(', ')}`);
  return found;
}

/** Spoils a copy of the source. @throws when the piece to replace is not there exactly once: the source has moved on, and the mutation has to follow. */
export function applyMutation({ name, edits }: Mutation, source: string): void {
  for (const { file, find, put } of edits) {
    const where = path.join(source, file);
    const [before, after, ...more] = readFileSync(where, 'utf8').split(find);
    if (before === undefined || after === undefined || more.length > 0)
      throw new Error(`mutation ${name}: ${file} does not have this exactly once any more: ${JSON.stringify(find)}`);
    writeFileSync(where, before + put + after);
  }
}
