#!/usr/bin/env node
import { readyNode } from './node-version.mjs';

if (await readyNode('dfget', import.meta.url)) {
  const { main } = await import('../src/dfget/main.ts');
  const code = await main(process.argv.slice(2));
  // To take Node apart piece by piece before the process ends would cost a command some milliseconds. What a reader
  // has not taken yet goes out first, though.
  const { stdout, stderr } = process;
  if (process.argv[2] !== 'server' && stdout.writableLength + stderr.writableLength === 0) process.exit(code);
  process.exitCode = code;
}
