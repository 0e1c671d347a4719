#!/usr/bin/env node
import { readyNode } from './node-version.mjs';

if (await readyNode('supernode', import.meta.url)) {
  const { main } = await import('../src/supernode/main.ts');
  await main(process.argv.slice(2));
}
