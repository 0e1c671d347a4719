#!/usr/bin/env node
import { readyNode } from './node-version.mjs';

if (await readyNode('dfdaemon', import.meta.url)) {
  const { main } = await import('../src/dfdaemon/main.ts');
  await main(process.argv.slice(2));
}
