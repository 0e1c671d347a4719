/** The files under test: path from the root, with slashes → what the scanner found in it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { readSource, type SourceText } from './source-text.ts';

export type TreeFile = SourceText & { readonly text: string };
export type Tree = ReadonlyMap<string, TreeFile>;
export type Problem = { readonly path: string; readonly text: string };

const FOLDERS = ['src', 'console', 'scripts', 'test', 'bench'];

export function isTest(path: string): boolean {
  return /\.(test|suite|fixture)\.ts$/.test(path);
}

export function readTree(root: string): Tree {
  const tree = new Map<string, TreeFile>();
  for (const folder of FOLDERS) {
    for (const name of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue;
      const text = readFileSync(join(root, folder, name), 'utf8');
      tree.set(join(folder, name).split(sep).join('/'), { ...readSource(text), text });
    }
  }
  return tree;
}
