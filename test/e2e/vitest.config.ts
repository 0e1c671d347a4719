import { resolve } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Real processes on 127.0.0.x: one file at a time, so that a slow machine's two cores are not shared by several swarms. */
export default defineConfig({
  root: resolve(import.meta.dirname, '..', '..'),
  test: {
    include: ['test/e2e/**/*.test.ts'],
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
