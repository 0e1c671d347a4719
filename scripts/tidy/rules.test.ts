import { describe, expect, it } from 'vitest';
import { MAX_CONSOLE_LINES, MAX_LINES, tidy } from './rules.ts';
import { readSource } from './source-text.ts';
import { parseWalls } from './walls.ts';

const ARCHITECTURE = `
| folder | may import | node:/npm allowed |
|---|---|---|
| base | – | none |
| protocol | base | none |
| scheduler | base, protocol | none |
| io | base, protocol | any |
| dfget | base, protocol, io | node:path, node:http; nothing heavy at start |
| sim | base, scheduler | none except in main.ts |
| console | protocol (types) | preact, htm |
`;

function problems(files: Record<string, string>): string[] {
  const tree = new Map(Object.entries(files).map(([path, text]) => [path, { ...readSource(text), text }]));
  return tidy(tree, ARCHITECTURE).map(({ path, text }) => `${path}: ${text}`);
}

describe('the import table', () => {
  it('is read with its folders, modules and exceptions', () => {
    const walls = parseWalls(ARCHITECTURE);
    expect([...(walls.get('scheduler')?.folders ?? [])]).toEqual(['base', 'protocol']);
    expect(walls.get('io')?.modules).toBe('any');
    expect(walls.get('dfget')?.modules).toEqual(new Set(['node:path', 'node:http']));
    expect(walls.get('sim')?.except).toEqual(new Set(['main.ts']));
  });

  it('sees a module of Node that is taken without an import', () => {
    const text = `const { spawn } = process.getBuiltinModule('node:child_process');`;
    expect(problems({ 'src/dfget/a.ts': text })).toEqual(['src/dfget/a.ts: dfget may not import node:child_process']);
  });

  it('lets a folder import what its row names', () => {
    expect(problems({ 'src/scheduler/a.ts': `import type { B } from '../base/b.ts';\n` })).toEqual([]);
  });

  it.each([
    ['a type import', `import type { B } from '../io/b.ts';`],
    ['an import over several lines', `import {\n  one,\n  two,\n} from '../io/b.ts';`],
    ['a dynamic import', `const b = () => import('../io/b.ts');`],
    ['a re-export', `export * from '../io/b.ts';`],
    ['a bare import', `import '../io/b.ts';`],
  ])('finds %s that breaks it', (_, text) => {
    expect(problems({ 'src/protocol/a.ts': text })).toEqual(['src/protocol/a.ts: protocol may not import src/io/b.ts']);
  });

  it('finds a module that the folder may not touch, and lets the named exception pass', () => {
    const text = `import { readFile } from 'node:fs/promises';`;
    expect(problems({ 'src/sim/world.ts': text })).toEqual(['src/sim/world.ts: sim may not import node:fs/promises']);
    expect(problems({ 'src/sim/main.ts': text })).toEqual([]);
  });

  it('lets the console have types of what it talks about, and nothing else', () => {
    const found = (text: string) => problems({ 'console/a.ts': text });
    expect(found(`import type { B } from '../src/protocol/b.ts';\nimport { h } from 'preact';`)).toEqual([]);
    expect(found(`import { type B } from '../src/protocol/b.ts';`)[0]).toContain('only types of src/protocol/b.ts');
    expect(found(`import type { B } from '../src/io/b.ts';`)[0]).toContain('console may not import src/io/b.ts');
    expect(found(`import { readFile } from 'node:fs';`)[0]).toContain('console may not import node:fs');
    expect(problems({ 'src/io/a.ts': `import { b } from '../../console/b.ts';` })).toHaveLength(1);
  });

  it('finds a folder that the table does not know', () => {
    expect(problems({ 'src/new/a.ts': '' })[0]).toContain('not in ARCHITECTURE.md');
  });
});

describe('cycles', () => {
  it('are found through type imports', () => {
    const found = problems({
      'src/base/a.ts': `import type { B } from './b.ts';`,
      'src/base/b.ts': `import { c } from './c.ts';`,
      'src/base/c.ts': `export { a } from './a.ts';`,
    });
    expect(found).toEqual([
      'src/base/a.ts: import cycle: src/base/a.ts → src/base/b.ts → src/base/c.ts → src/base/a.ts',
    ]);
  });
});

describe('pure folders', () => {
  it.each(['Date.now()', 'Math.random()', 'setTimeout(f, 1)', 'process.env', 'console.log(1)', 'async () => 1'])(
    'have no %s',
    (code) => {
      expect(problems({ 'src/base/a.ts': `const a = ${code};` })).toHaveLength(1);
      expect(problems({ 'src/io/a.ts': `const a = ${code};` })).toEqual([]);
    },
  );

  it('may speak of all that in comments and strings', () => {
    expect(
      problems({ 'src/base/a.ts': `// a Promise\nconst a = 'await'; /* console */ const b = /process['"]/;` }),
    ).toEqual([]);
  });
});

describe('the rest', () => {
  it('a file may have as many lines as the limit and not one more', () => {
    expect(problems({ 'src/io/a.ts': '\n'.repeat(MAX_LINES) })).toEqual([]);
    expect(problems({ 'src/io/a.ts': '\n'.repeat(MAX_LINES + 1) })).toHaveLength(1);
    expect(problems({ 'console/a.ts': '\n'.repeat(MAX_CONSOLE_LINES + 1) })).toHaveLength(1);
  });

  it('the console makes no markup of what others say', () => {
    for (const code of ['a.innerHTML = b;', 'html`<p dangerouslySetInnerHTML=(b) />`', 'eval(b);'])
      expect(problems({ 'console/a.ts': code })).toHaveLength(1);
    expect(problems({ 'console/a.ts': '// no innerHTML = here\na.textContent = b;' })).toEqual([]);
  });

  it('names of files, types and functions use the words of the glossary', () => {
    expect(problems({ 'src/io/piece-utils.ts': '' })).toHaveLength(1);
    expect(problems({ 'src/io/a.ts': 'export class PieceManager {}' })).toHaveLength(1);
    expect(problems({ 'src/io/a.ts': 'export function fetchChunk() {}' })).toHaveLength(1);
    expect(problems({ 'src/io/a.ts': 'for await (const chunk of body) use(chunk);' })).toEqual([]);
  });

  it('nothing half-done is left', () => {
    expect(problems({ 'src/io/a.ts': `// ${'TO'}${'DO'} later` })).toEqual([
      `src/io/a.ts:1: a note of something undone: ${'TO'}${'DO'}`,
    ]);
    expect(problems({ 'src/io/a.test.ts': 'const a = 1;\nit.skip("x", f);' })[0]).toMatch(/^src\/io\/a\.test\.ts:2: /);
    expect(problems({ 'src/io/a.ts': 'const a = b as any;' })).toHaveLength(1);
  });

  it('dfget loads nothing heavy before it talks to the agent', () => {
    const heavy = { 'src/io/config.ts': `import { parse } from 'yaml';` };
    const entry = (text: string) => problems({ ...heavy, 'src/dfget/main.ts': text });
    expect(entry(`import { load } from '../io/config.ts';`)[0]).toContain('loads yaml at start');
    expect(entry(`const load = () => import('../io/config.ts');`)).toEqual([]);
    expect(entry(`import type { Config } from '../io/config.ts';`)).toEqual([]);
    expect(entry(`import { type Config } from '../io/config.ts';`)).toHaveLength(1);
    expect(entry(`import { join } from 'node:path';`)[0]).toContain('process.getBuiltinModule');
    expect(entry(`const { join } = process.getBuiltinModule('node:path');`)).toEqual([]);
  });
});
