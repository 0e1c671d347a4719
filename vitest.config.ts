import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'test/support/**/*.test.ts'],
    // Two cores: more workers only take turns.
    maxWorkers: 2,
    coverage: {
      provider: 'v8',
      include: ['src/scheduler/**', 'src/protocol/**', 'src/store/**', 'src/transfer/**', 'src/base/**'],
      exclude: ['**/*.test.ts', '**/*.suite.ts', '**/*.fixture.ts'],
    },
  },
});
