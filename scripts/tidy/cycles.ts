/** No file may reach itself by imports, type imports included: a cycle is one idea cut in two, or two in one. */
import type { Problem, Tree } from './tree.ts';
import { target } from './walls.ts';

export function checkCycles(tree: Tree): Problem[] {
  const problems: Problem[] = [];
  const finished = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const source = tree.get(path);
    if (source === undefined || finished.has(path)) return;
    const seen = trail.indexOf(path);
    if (seen >= 0) {
      problems.push({ path, text: `import cycle: ${[...trail.slice(seen), path].join(' → ')}` });
      return;
    }
    trail.push(path);
    for (const { module } of source.imports) if (module.startsWith('.')) visit(target(path, module));
    trail.pop();
    finished.add(path);
  };
  for (const path of tree.keys()) visit(path);
  return problems;
}

/** Everything that loading `entry` loads before its first line runs, except for what only types need. */
export function loadedAtStart(tree: Tree, entry: string): { files: Set<string>; modules: Set<string> } {
  const files = new Set<string>();
  const modules = new Set<string>();
  const visit = (path: string): void => {
    if (files.has(path)) return;
    files.add(path);
    for (const { module, kind } of tree.get(path)?.imports ?? []) {
      if (kind !== 'static') continue;
      if (module.startsWith('.')) visit(target(path, module));
      else modules.add(module);
    }
  };
  visit(entry);
  return { files, modules };
}
