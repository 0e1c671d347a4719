/**
 * Which files one command asks for: `-u` with its `-o`, several such pairs, or the lines of `--input-file`. All of it is
 * checked before the first one starts: a list with a mistake in it downloads nothing.
 */
import { Fault } from '../protocol/faults.ts';
import type { Digest } from '../protocol/task.ts';
import { type DownloadFlags, digestOf, urlOf } from './flags.ts';

const { readFileSync } = process.getBuiltinModule('node:fs');

export type Wanted = {
  readonly url: URL;
  /** As the user wrote it: the agent names the task by this text. */
  readonly text: string;
  /** As the user wrote it; absent = the last part of the URL. */
  readonly output: string | undefined;
  readonly digest: Digest | undefined;
  /** Why it cannot be downloaded, whatever the others do. */
  readonly refused?: Fault;
};

const STANDARD_INPUT = 0;
const MAX_FILES = 1_000_000;

/** At least one. Fault usage. */
export function wantedOf(flags: DownloadFlags): readonly Wanted[] {
  const { url: urls, output: outputs } = flags;
  const listed = flags['input-file'];
  if (listed !== undefined) {
    if (urls.length + outputs.length > 0)
      throw new Fault('usage', 'give --input-file or --url, not both: the list names URLs and outputs itself');
    if (flags.digest !== undefined || flags.md5 !== undefined)
      throw new Fault('usage', 'in a list the digest of a file stands behind its output');
    return parseList(readList(listed));
  }
  if (urls.length > 1 && outputs.length !== urls.length && outputs.length > 0)
    throw new Fault('usage', `${urls.length} --url want ${urls.length} --output or none, not ${outputs.length}`);
  if (urls.length <= 1 && outputs.length > 1) throw new Fault('usage', 'give --output once for one --url');
  const digest = digestOf(flags);
  if (urls.length > 1 && digest !== undefined)
    throw new Fault('usage', 'a digest belongs to one --url; for several take --input-file');
  if (urls.length === 0) return [{ url: urlOf(undefined), text: '', output: undefined, digest }];
  return urls.map((text, index) => ({ url: urlOf(text), text, output: outputs[index], digest }));
}

/** Lines of `URL OUTPUT [DIGEST]`, with tabs between them or else blanks; empty lines and those with # in front are none. */
export function parseList(text: string): readonly Wanted[] {
  const wanted: Wanted[] = [];
  const lines = new Map<string, number>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (/^\s*(#|$)/.test(line)) continue;
    const where = `line ${index + 1} of --input-file`;
    const each = parseLine(line.trim(), where);
    const before = lines.get(each.output);
    if (before !== undefined) throw new Fault('usage', `${where} has the same output as line ${before}`);
    lines.set(each.output, index + 1);
    if (wanted.push(each) > MAX_FILES) throw new Fault('usage', `--input-file names more than ${MAX_FILES} files`);
  }
  if (wanted.length === 0) throw new Fault('usage', '--input-file names no file');
  return wanted;
}

function parseLine(line: string, where: string): Wanted & { readonly output: string } {
  const parts = (line.includes('\t') ? line.split(/\t+/) : line.split(/ +/)).map((part) => part.trim());
  const [text = '', output = '', digest] = parts;
  if (output === '' || parts.length > 3)
    throw new Fault('usage', `${where} wants URL, OUTPUT and at most a digest, with tabs or blanks between them`);
  try {
    return { url: urlOf(text), text, output, digest: digestOf({ digest, md5: undefined }) };
  } catch (error) {
    const { message } = Fault.of(error, 'usage');
    throw new Fault('usage', `${where}: ${message.replace(/^--(url|digest)/, 'its $1')}`, { cause: error });
  }
}

/** `-` is standard input. */
function readList(path: string): string {
  try {
    return readFileSync(path === '-' ? STANDARD_INPUT : path, 'utf8');
  } catch (error) {
    throw new Fault('usage', `--input-file ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}
