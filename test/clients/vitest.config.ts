import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

/** The container clients that people run, as Debian packages them. One file at a time: each starts daemons of its own. */
export default defineConfig({
  root: resolve(import.meta.dirname, '..', '..'),
  test: {
    include: ['test/clients/**/*.test.ts'],
    // What .ci/run installs has no dockerd, and what is skipped there for ever would say nothing.
    exclude: process.env.CLIENTS === 'short' ? ['test/clients/dockerd.test.ts'] : [],
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 120_000,
  },
});
