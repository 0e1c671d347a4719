/** `npm run check`: what can be said of a change in under 40 seconds. */
import { importRules, lint, runSteps, types, vitest } from './steps.ts';

process.exitCode = await runSteps([
  ['types', types],
  ['lint and format', lint],
  ['import rules', importRules],
  ['unit tests', () => vitest('--exclude=**/*.slow.test.ts')],
]);
