/** The source's own test: prints every place where the tree breaks ARCHITECTURE.md or STYLE.md; exits 1 if there is one. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { tidy } from './tidy/rules.ts';
import { readTree } from './tidy/tree.ts';

const root = resolve(import.meta.dirname, '..');
const tree = readTree(root);
const problems = tidy(tree, readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8'));
for (const { path, text } of problems) console.log(`${path}: ${text}`);
console.log(`tidy: ${tree.size} files, ${problems.length} problems`);
process.exitCode = problems.length === 0 ? 0 : 1;
