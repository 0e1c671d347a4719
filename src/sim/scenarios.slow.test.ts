import { expect, it } from 'vitest';
import { simulate } from './run.ts';
import { optionsOf, SCENARIOS, verdict } from './scenarios.ts';

const MOST_HOSTS = 200;

for (const scenario of SCENARIOS.filter(({ options }) => (options.hosts ?? 0) <= MOST_HOSTS)) {
  it(`${scenario.what}: as good as it must be`, { timeout: 300_000 }, () => {
    expect(verdict(scenario, simulate(optionsOf(scenario, 1)))).toBeUndefined();
  });
}
