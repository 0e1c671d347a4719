#!/usr/bin/env node
import { readyNode } from './node-version.mjs';

if (readyNode('dfget', import.meta.url)) {
  const { main } = await import('../src/dfget/main.ts');
  process.exitCode = await main(process.argv.slice(2));
}
