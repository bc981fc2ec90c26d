import type { Scenario } from './scenario.ts';
import { busScenarios } from './scenarios/bus.ts';
import { processScenarios } from './scenarios/processes.ts';
import { redisScenarios } from './scenarios/redis.ts';
import { upgradeScenarios } from './scenarios/upgrades.ts';
import { writerScenarios } from './scenarios/writers.ts';

export const scenarios: readonly Scenario[] = [
  ...busScenarios,
  ...redisScenarios,
  ...processScenarios,
  ...writerScenarios,
  ...upgradeScenarios,
];

/** @throws with the names there are, for one that is not among them. */
export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (found === undefined) throw new Error(`there is no scenario "${name}"; there are ${scenarios.map((each) => each.name).join(', ')}`);
  return found;
}
