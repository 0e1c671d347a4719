/**
 * What `--recursive` asks for: everything below a prefix, an index page or a repository. The listing is read here, where the caller's
 * credentials are; what a listing says of names is not trusted to stay below the folder.
 */
import { basename, join } from 'node:path';
import picomatch from 'picomatch';
import { Fault } from '../protocol/faults.ts';
import type { ListRequest, SourceEntry } from '../source/source.ts';
import { createSources } from '../source/sources.ts';
import { type DownloadFlags, urlOf } from './flags.ts';
import { nameFrom } from './output.ts';
import type { SharedRequest } from './request.ts';
import { s3Env, s3Settings } from './s3-access.ts';
import type { Wanted } from './wanted.ts';

const LIST_STALL_MS = 30_000;
const MAX_FILES = 1_000_000;
const MAX_NAME_BYTES = 255;

/** At least one. `found` is told how many there are so far. Faults: usage, those of the source. */
export async function treeOf(
  flags: DownloadFlags,
  shared: SharedRequest,
  found: (files: number) => void,
): Promise<readonly Wanted[]> {
  const [text] = flags.url;
  const url = urlOf(text);
  if (flags.url.length > 1 || flags.output.length > 1 || flags['input-file'] !== undefined)
    throw new Fault('usage', '--recursive takes one --url and one --output, the folder');
  if (flags.digest !== undefined || flags.md5 !== undefined)
    throw new Fault('usage', 'a digest names one file; leave --digest and --md5 away with --recursive');
  const folder = flags.output[0] || folderNameOf(url);
  const matches = filterOf(flags);
  const sources = createSources({ wallNow: Date.now, env: s3Env(flags), s3: s3Settings(flags) });
  const wanted: Wanted[] = [];
  try {
    for await (const entry of sources.list(listRequest(url, shared, flags))) {
      if (!matches(entry.path)) continue;
      wanted.push(wantedOf(entry, folder));
      if (wanted.length > MAX_FILES) throw new Fault('usage', `there are more than ${MAX_FILES} files below the URL`);
      found(wanted.length);
    }
  } finally {
    await sources.close();
  }
  if (wanted.length === 0) throw new Fault('usage', 'there is no file below the URL, or none that is included');
  return wanted;
}

function listRequest(url: URL, { spec }: SharedRequest, flags: DownloadFlags): ListRequest {
  const { headers, insecure, cacerts } = spec;
  return {
    url: url.href,
    headers,
    stallMs: LIST_STALL_MS,
    ...(insecure === undefined ? {} : { insecure }),
    ...(cacerts === undefined ? {} : { cacerts }),
    ...(flags['s3-anonymous'] ? { s3: { anonymous: true } } : {}),
  };
}

/** One with a name that is none fails alone. */
function wantedOf({ url: text, path, digest }: SourceEntry, folder: string): Wanted {
  const one = { url: new URL(text), text, digest };
  try {
    return { ...one, output: join(folder, ...safeNames(path)) };
  } catch (error) {
    return { ...one, output: path, refused: Fault.of(error) };
  }
}

/** Fault source-lied for a path that would leave the folder, or that no file system takes. */
export function safeNames(path: string): string[] {
  const names = path.split('/');
  for (const name of names) {
    const bad = name === '' || name === '.' || name === '..' || name.includes('\0');
    if (bad || Buffer.byteLength(name) > MAX_NAME_BYTES)
      throw new Fault(
        'source-lied',
        `the listing has a name that is no file name: ${JSON.stringify(path.slice(0, 200))}`,
      );
  }
  return names;
}

/** A glob without a slash is for the last name, as with other tools; one with a slash for the path. */
export function filterOf({ include, exclude }: Pick<DownloadFlags, 'include' | 'exclude'>): (path: string) => boolean {
  const matcher = (globs: readonly string[]) => {
    const tests = globs.map((glob) => ({ test: picomatch(glob, { dot: true }), whole: glob.includes('/') }));
    return (path: string) => tests.some(({ test, whole }) => test(whole ? path : basename(path)));
  };
  const [included, excluded] = [matcher(include), matcher(exclude)];
  return (path) => (include.length === 0 || included(path)) && !excluded(path);
}

function folderNameOf(url: URL): string {
  const path = url.pathname.replace(/\/+$/, '');
  if (path === '') return url.hostname;
  // A repository's revision does not belong to its name.
  const bare = url.protocol === 'hf:' && !/\/.*\//.test(path) ? path.replace(/@.*/, '') : path;
  return nameFrom(new URL(bare, 'http://listing'));
}
