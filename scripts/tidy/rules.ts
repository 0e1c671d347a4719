/**
 * The rules of STYLE.md that a scanner can check, beside the import table: pure folders stay pure, files stay short, names
 * use the glossary's words, nothing half-done is left, the console makes no markup of strangers' words, and dfget stays quick to start.
 */
import { checkCycles, loadedAtStart } from './cycles.ts';
import type { Problem, Tree } from './tree.ts';
import { isTest } from './tree.ts';
import { checkWalls, folderOf, parseWalls } from './walls.ts';

export const MAX_LINES = 350;
/** A part of a page that is longer is two parts. */
export const MAX_CONSOLE_LINES = 180;
const PURE = new Set(['base', 'protocol', 'scheduler', 'transfer', 'sim']);
const PURE_EXCEPT = new Set(['src/base/single-flight.ts', 'src/sim/main.ts']);
const IMPURE =
  /\b(?:Date\.now|new Date\b|Math\.random|performance\.|setTimeout|setInterval|setImmediate|queueMicrotask|process\b|console\b|Promise\b|async\b|await\b|fetch\()/g;

/** Words that the glossary replaces. Words with an innocent second meaning (node, block, part, file …) are not here. */
const BANNED =
  /^(?:chunks?|segments?|seeders?|leechers?|downloaders?|uploaders?|blacklist|whitelist|managers?|handlers?|utils?|helpers?|common|metainfo|tracker|backsource|checksums?|exceptions?|cdn)$/;
const DECLARED = /\b(?:function|class|type|interface)\s+([A-Za-z_$][\w$]*)/g;

const LEFT_OVER: readonly (readonly [RegExp, string])[] = [
  [/\.(?:only|skip|todo)\s*\(/g, 'a test that is switched off or on by hand'],
  [/\bas any\b|:\s*any\b|<any>/g, 'any'],
];
/** Ways by which a stranger's word could become markup or code in somebody's browser. */
const MARKUP =
  /\b(?:dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function)\b\s*[=(]/g;
/** Split so that this file does not find itself. */
const NOTES = new RegExp(
  `\\b(?:${['TO', 'DO|FIX', 'ME|XX', 'X'].join('')})\\b|@ts-(?:ignore|nocheck|expect-error)`,
  'g',
);

/** What a command loads before it has talked to the agent. Each file costs a third of a millisecond. */
const START = ['src/dfget/main.ts', 'src/dfget/download-command.ts'];
const START_MAX_FILES = 20;

function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

function* matches(path: string, text: string, pattern: RegExp, why: string): Generator<Problem> {
  for (const match of text.matchAll(pattern))
    yield { path: `${path}:${lineOf(text, match.index)}`, text: `${why}: ${match[0].trim()}` };
}

function checkPure(tree: Tree): Problem[] {
  return [...tree].flatMap(([path, { code }]) => {
    if (!PURE.has(folderOf(path)) || PURE_EXCEPT.has(path) || isTest(path)) return [];
    return [...matches(path, code, IMPURE, 'a pure folder has no clock, chance, timer, promise, process or console')];
  });
}

function checkLength(tree: Tree): Problem[] {
  return [...tree].flatMap(([path, { text }]) => {
    const lines = text.split('\n').length - 1;
    const most = folderOf(path) === 'console' ? MAX_CONSOLE_LINES : MAX_LINES;
    return lines > most ? [{ path, text: `${lines} lines; ${most} are the limit: is it two ideas?` }] : [];
  });
}

function words(name: string): string[] {
  return name.split(/(?=[A-Z][a-z])|[-_.]|(?<=[a-z0-9])(?=[A-Z])/).map((word) => word.toLowerCase());
}

function checkNames(tree: Tree): Problem[] {
  return [...tree].flatMap(([path, { code }]) => {
    const file = path.replace(/\.ts$/, '').split('/').flatMap(words);
    const declared = [...code.matchAll(DECLARED)].flatMap((match) => words(match[1] ?? ''));
    return [...file, ...declared]
      .filter((word) => BANNED.test(word))
      .map((word) => ({ path, text: `the glossary of ARCHITECTURE.md has another word for "${word}"` }));
  });
}

function checkLeftOvers(tree: Tree): Problem[] {
  return [...tree].flatMap(([path, { code, text }]) => [
    ...LEFT_OVER.flatMap(([pattern, why]) => [...matches(path, code, pattern, why)]),
    ...matches(path, text, NOTES, 'a note of something undone'),
  ]);
}

function checkMarkup(tree: Tree): Problem[] {
  return [...tree].flatMap(([path, { uncommented }]) => {
    if (folderOf(path) !== 'console') return [];
    return [...matches(path, uncommented, MARKUP, 'what others say is text, and stays text')];
  });
}

function checkStart(tree: Tree): Problem[] {
  return START.flatMap((path) => {
    const { files, modules } = loadedAtStart(tree, path);
    const problems = [...modules].map((module) => ({ path, text: `loads ${module} at start; ${insteadOf(module)}` }));
    if (files.size <= START_MAX_FILES) return problems;
    return [...problems, { path, text: `loads ${files.size} files at start, ${START_MAX_FILES} are the limit` }];
  });
}

/** An import of one of Node's modules runs all its getters, so that `node:fs` brings streams and `node:util` half of Node. */
function insteadOf(module: string): string {
  if (module.startsWith('node:')) return 'take what is needed with process.getBuiltinModule';
  return 'use import() where it is needed';
}

export function tidy(tree: Tree, architecture: string): Problem[] {
  return [
    ...checkWalls(tree, parseWalls(architecture)),
    ...checkCycles(tree),
    ...checkPure(tree),
    ...checkLength(tree),
    ...checkNames(tree),
    ...checkLeftOvers(tree),
    ...checkMarkup(tree),
    ...checkStart(tree),
  ];
}
