import { expect, test } from 'vitest';
import { applyMutation, mutations } from './mutations.ts';
import { scenarioNamed } from './scenarios.ts';
import { copySource } from './source-copy.ts';

test.each(mutations)('mutation $name finds what it switches off in the source of today, and scenarios that have to notice', (mutation) => {
  using copy = copySource();
  expect(() => applyMutation(mutation, copy.source)).not.toThrow();
  expect(mutation.caughtBy.map((name) => scenarioNamed(name).name)).toEqual(mutation.caughtBy);
});
