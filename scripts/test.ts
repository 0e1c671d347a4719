/**
 * `npm test`. Slow unit tests are named *.slow.test.ts; end-to-end tests run real processes. With --long come those that kill, stop
 * and fail over whole swarms (*.long.test.ts), which would make this longer than anybody waits. With --clients
 * the short form of the tests with real container clients comes last, with --chaos five minutes of faults on real processes.
 */
import { chaos, clients, coverageGate, importRules, lint, runSteps, types, vitest } from './steps.ts';

/** With its start and the calm after it, in which idle connections have to close, it takes six to eight minutes on a machine that is not busy otherwise. */
const CHAOS_MINUTES = 5;
const CHAOS_SEED = 7;

process.exitCode = await runSteps([
  ['types', types],
  ['lint and format', lint],
  ['import rules', importRules],
  ['unit and property tests', () => vitest('--coverage', '--coverage.reporter=json-summary')],
  ['coverage', () => coverageGate(['src/scheduler', 'src/protocol', 'src/store'])],
  ['end-to-end tests', () => vitest('--config=test/e2e/vitest.config.ts', '--exclude=**/*.long.test.ts')],
  ...(process.argv.includes('--long')
    ? [['end-to-end tests, long', () => vitest('--config=test/e2e/vitest.config.ts', '.long.test')] as const]
    : []),
  ...(process.argv.includes('--clients') ? [['real clients, short', () => clients(true)] as const] : []),
  ...(process.argv.includes('--chaos') ? [['chaos', () => chaos(CHAOS_MINUTES, CHAOS_SEED)] as const] : []),
]);
