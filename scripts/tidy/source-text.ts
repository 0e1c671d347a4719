/**
 * TypeScript source as tidy sees it: comments blanked out, the content of strings blanked out, and the imports. A scanner
 * of a page, not a parser: TypeScript 7 brings no JavaScript API, and the rules need no more than this.
 */

/** `import { type A }` is static: the module is loaded all the same. */
export type Import = { readonly module: string; readonly kind: 'static' | 'type' | 'dynamic' };

export type SourceText = {
  /** The text with comments blanked out, as long as the original. */
  readonly uncommented: string;
  /** Also without the content of strings, templates and regular expressions. */
  readonly code: string;
  readonly imports: readonly Import[];
};

/** What may stand before a slash that begins a regular expression (a division follows a value). */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+*%<>~^-]|\breturn|\btypeof|\bcase|=>)\s*$/;

function blank(text: string): string {
  return text.replace(/[^\n]/g, ' ');
}

/** Length of the literal or comment that begins at `at`; 0 when none does. */
function tokenLength(text: string, at: number, before: string): number {
  const rest = text.slice(at, at + 2);
  if (rest === '//') return ends(text, at, '\n', at + 2) - at;
  if (rest === '/*') return ends(text, at, '*/', at + 2) + 2 - at;
  const first = text[at];
  if (first === "'" || first === '"' || first === '`') return closing(text, at + 1, first) - at;
  if (first === '/' && BEFORE_REGEX.test(before.slice(-40))) return closing(text, at + 1, '/') - at;
  return 0;
}

function ends(text: string, at: number, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  return end < 0 ? Math.max(text.length, at) : end;
}

/** Index after the unescaped `quote`; a bracket class of a regular expression may hold one. */
function closing(text: string, from: number, quote: string): number {
  let inClass = false;
  for (let at = from; at < text.length; at++) {
    const letter = text[at];
    if (letter === '\\') at++;
    else if (quote === '/' && letter === '[') inClass = true;
    else if (quote === '/' && letter === ']') inClass = false;
    else if (letter === quote && !inClass) return at + 1;
  }
  return text.length;
}

const FROM = /\b(?:import|export)(\s+type\b)?(?:\s*[\w*$][\w\s*,$]*|\s*)(\{[^{}]*\})?\s*from\s*['"]([^'"\n]+)['"]/g;
const BARE = /(?:^|;|\n)\s*import\s*['"]([^'"\n]+)['"]/g;
const DYNAMIC = /\b(?:import|process\.getBuiltinModule)\s*\(\s*['"]([^'"\n]+)['"]/g;

function importsOf(uncommented: string): Import[] {
  const found: Import[] = [];
  for (const match of uncommented.matchAll(FROM)) {
    found.push({ module: match[3] ?? '', kind: match[1] !== undefined ? 'type' : 'static' });
  }
  for (const match of uncommented.matchAll(BARE)) found.push({ module: match[1] ?? '', kind: 'static' });
  for (const match of uncommented.matchAll(DYNAMIC)) found.push({ module: match[1] ?? '', kind: 'dynamic' });
  return found;
}

export function readSource(text: string): SourceText {
  let uncommented = '';
  let code = '';
  for (let at = 0; at < text.length; ) {
    const length = tokenLength(text, at, code);
    if (length === 0) {
      uncommented += text[at];
      code += text[at];
      at++;
      continue;
    }
    const token = text.slice(at, at + length);
    const comment = token.startsWith('//') || token.startsWith('/*');
    uncommented += comment ? blank(token) : token;
    code += comment ? blank(token) : `${token[0]}${blank(token.slice(1, -1))}${token.length > 1 ? token.at(-1) : ''}`;
    at += length;
  }
  return { uncommented, code, imports: importsOf(uncommented) };
}
