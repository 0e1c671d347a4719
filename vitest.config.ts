import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: [
      'src/**/*.test.ts',
      'console/**/*.test.ts',
      'scripts/**/*.test.ts',
      'test/support/**/*.test.ts',
      'test/chaos/**/*.test.ts',
    ],
    // Two cores: more workers only take turns.
    maxWorkers: 2,
    // A fresh world per file costs more than all the tests; no test here leaves anything behind for the next file.
    isolate: false,
    // Some start programs; on a machine that does other things too that takes its time, which is no fault of theirs.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    coverage: {
      provider: 'v8',
      include: ['src/scheduler/**', 'src/protocol/**', 'src/store/**', 'src/transfer/**', 'src/base/**'],
      exclude: ['**/*.test.ts', '**/*.suite.ts', '**/*.fixture.ts'],
    },
  },
});
