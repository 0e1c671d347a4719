/**
 * Who may import whom: read from the table of ARCHITECTURE.md, so that the document and its test cannot drift apart.
 */
import { dirname, join } from 'node:path';
import type { Problem, Tree } from './tree.ts';
import { isTest } from './tree.ts';

export type Wall = {
  readonly folders: ReadonlySet<string>;
  /** Folders of which only types may be imported: nothing of them is left when the program runs. */
  readonly typesOf: ReadonlySet<string>;
  /** Node modules and packages; 'any' = all. */
  readonly modules: ReadonlySet<string> | 'any';
  /** Files of the folder to which the module list does not apply. */
  readonly except: ReadonlySet<string>;
};

/** Reads rows `| folder | may import | node:/npm allowed |`. */
export function parseWalls(markdown: string): Map<string, Wall> {
  const walls = new Map<string, Wall>();
  const lines = markdown.split('\n');
  const head = lines.findIndex((line) => /^\|\s*folder\s*\|\s*may import\s*\|/.test(line));
  if (head < 0) throw new Error('ARCHITECTURE.md has no table "| folder | may import | …"');
  for (const line of lines.slice(head + 2)) {
    if (!line.startsWith('|')) break;
    const [folder = '', folders = '', modules = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    const [list = '', exception] = modules.replace(/;.*/, '').split(/\s+except in\s+/);
    walls.set(folder, {
      folders: new Set(folders.split(/,\s*/).filter((name) => /^\w+$/.test(name))),
      typesOf: new Set([...folders.matchAll(/(\w+) \(types\)/g)].map(([, name = '']) => name)),
      modules: list === 'any' ? 'any' : new Set(list === 'none' ? [] : list.split(/,\s*/)),
      except: new Set(exception === undefined ? [] : exception.split(/,\s*/)),
    });
  }
  return walls;
}

function packageOf(module: string): string {
  if (module.startsWith('node:')) return module.split('/')[0] ?? module;
  return module
    .split('/')
    .slice(0, module.startsWith('@') ? 2 : 1)
    .join('/');
}

/** The row of the table that a file belongs to; '' = none, as for tests and scripts. */
export function folderOf(path: string): string {
  const [, folder, page] = /^(?:src\/(\w+)|(console))\//.exec(path) ?? [];
  return folder ?? page ?? '';
}

/** Path in the tree that a relative import names. */
export function target(path: string, module: string): string {
  return join(dirname(path), module);
}

/** Tests may look behind any wall; programs may not. */
export function checkWalls(tree: Tree, walls: ReadonlyMap<string, Wall>): Problem[] {
  const problems: Problem[] = [];
  for (const [path, source] of tree) {
    const folder = folderOf(path);
    if (folder === '' || isTest(path)) continue;
    const wall = walls.get(folder);
    if (wall === undefined) {
      problems.push({ path, text: `the folder ${folder} is not in ARCHITECTURE.md's table` });
      continue;
    }
    for (const { module, kind } of source.imports) {
      const text = module.startsWith('.')
        ? folderProblem(folder, wall, { imported: target(path, module), isType: kind === 'type' })
        : moduleProblem(path, wall, module);
      if (text !== undefined) problems.push({ path, text });
    }
  }
  return problems;
}

type Imported = { readonly imported: string; readonly isType: boolean };

function folderProblem(folder: string, wall: Wall, { imported, isType }: Imported): string | undefined {
  const other = folderOf(imported);
  if (other === folder || wall.folders.has(other)) return undefined;
  if (wall.typesOf.has(other)) return isType ? undefined : `${folder} may import only types of ${imported}`;
  return `${folder} may not import ${imported}`;
}

function moduleProblem(path: string, wall: Wall, module: string): string | undefined {
  if (wall.modules === 'any' || wall.modules.has(packageOf(module))) return undefined;
  if (wall.except.has(path.split('/').at(-1) ?? '')) return undefined;
  return `${folderOf(path)} may not import ${module}`;
}
