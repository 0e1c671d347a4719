/**
 * Our lines in a text that belongs to somebody else: they stand between two marks, so that a second run finds them and
 * `--undo` takes them out again although the rest was edited meanwhile. A line that had to give way is kept in the block
 * as a comment and comes back.
 */
const BEGIN = '# >>> dfdaemon: made by "dfdaemon configure", taken out by "--undo"';
const END = '# <<< dfdaemon';
const WAS = '# was: ';
const BLOCK = new RegExp(`^${BEGIN}\\n(.*?)^${END}\\n`, 'gms');

export function block(lines: readonly string[], replaced?: string): string {
  const was = replaced === undefined ? [] : [`${WAS}${replaced}`];
  return `${[BEGIN, ...was, ...lines, END].join('\n')}\n`;
}

/** The text as it was before our lines came. */
export function withoutBlocks(text: string): string {
  return text.replace(BLOCK, (_all, body: string) =>
    body
      .split('\n')
      .filter((line) => line.startsWith(WAS))
      .map((line) => `${line.slice(WAS.length)}\n`)
      .join(''),
  );
}

/** Ends with a line break, if there is anything in it. */
export function wholeLines(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

/**
 * Before the first table of a TOML text and the comments that belong to it, because what comes after a table's head
 * belongs to the table. At the end when there is no table.
 */
export function beforeTables(text: string, added: string): string {
  const lines = wholeLines(text).split('\n');
  let at = lines.findIndex((line) => /^\s*\[/.test(line));
  if (at < 0) return `${wholeLines(text)}${added}`;
  while (at > 0 && /^\s*#/.test(lines[at - 1] ?? '')) at--;
  return [...lines.slice(0, at), ...added.trimEnd().split('\n'), ...lines.slice(at)].join('\n');
}

/** A TOML string. */
export function quoted(text: string): string {
  return JSON.stringify(text);
}
