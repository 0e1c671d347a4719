/**
 * V8's young generation stays as small as it starts (`bin/node-version.mjs` says why: reads of sources are collected early). A supernode of many
 * hosts is another matter: what they bring, and what one turn has to say, is more than that generation holds, so that each collection copies all of it and
 * frees nothing, a third of its CPU. From then on it may grow, up to V8's own limit.
 */
import { setFlagsFromString } from 'node:v8';

let grows = false;

export function letYoungHeapGrow(): void {
  if (grows) return;
  grows = true;
  setFlagsFromString('--semi-space-growth-factor=2');
}
