/**
 * hf://owner/model[@revision]/path, as Hugging Face's own tools write it (datasets/ and spaces/ before the owner): read over https
 * from the hub or a mirror of it. The hub sends large files to other hosts by signed redirects; what stays the same is the
 * digest in the first answer, which is taken as the validator.
 */
import { Fault } from '../protocol/faults.ts';
import { type HeaderMap, headerOf } from './http-headers.ts';
import type { HttpReader } from './http-reader.ts';
import type { ListRequest, Source, SourceAnswer, SourceEntry, SourceRequest } from './source.ts';
import { likeness } from './validators.ts';

const ENDPOINT = 'https://huggingface.co';
const COMMIT = /^[0-9a-f]{40}$/;
/** A commit never changes. Milliseconds. */
const COMMIT_FRESH_MS = 365 * 24 * 3_600_000;
const MAX_LISTED_PAGES = 10_000;

type Env = Readonly<Record<string, string | undefined>>;

export type HfPlace = {
  readonly kind: 'models' | 'datasets' | 'spaces';
  /** `owner/name`, or a name alone for the oldest models. */
  readonly repo: string;
  readonly revision: string;
  /** Without a slash at either end; still percent-encoded. */
  readonly path: string;
};

export function createHfSource({ http, env }: { http: HttpReader; env: Env }): Source {
  const endpoint = (env.HF_ENDPOINT ?? ENDPOINT).replace(/\/+$/, '');
  return {
    schemes: ['hf'],
    open: (request) => open(signed(request, env), endpoint, http),
    list: (request) => list(signed(request, env), endpoint, http),
  };
}

/** Fault usage. */
export function parseHfUrl(text: string): HfPlace {
  const url = new URL(text);
  const names = [url.host, ...url.pathname.split('/').slice(1)];
  const kind = names[0] === 'datasets' || names[0] === 'spaces' ? names[0] : 'models';
  if (kind !== 'models') names.shift();
  const [owner = '', last = ''] = names;
  const [name = '', revision = 'main'] = last.split('@', 2);
  if (owner === '' || name === '' || revision === '')
    throw new Fault('usage', 'a Hugging Face URL is of the form hf://owner/model[@revision]/path');
  return { kind, repo: `${owner}/${name}`, revision, path: names.slice(2).join('/').replace(/\/+$/, '') };
}

async function open(request: SourceRequest, endpoint: string, http: HttpReader): Promise<SourceAnswer> {
  const { kind, repo, revision, path } = parseHfUrl(request.url);
  if (path === '') throw new Fault('usage', `hf://${repo} names a repository; give a file in it, or --recursive`);
  const prefix = kind === 'models' ? '' : `${kind}/`;
  const url = `${endpoint}/${prefix}${repo}/resolve/${revision}/${path}`;
  const { ifRange, ifChanged, ...plain } = request;
  let linked: string | undefined;
  const observe = (_: number, headers: HeaderMap) => {
    linked ??= headerOf(headers, 'x-linked-etag');
    if (linked !== undefined && linkedEtag(linked) === ifChanged?.etag) throw new Unchanged();
  };
  // The validators of the host behind the redirect are not ours to ask with, so changes are told from the first answer.
  const asked = {
    ...plain,
    url,
    ...(ifRange === undefined || isLinked(ifRange.etag) ? {} : { ifRange }),
    ...(ifChanged === undefined || isLinked(ifChanged.etag) ? {} : { ifChanged }),
  };
  const fresh = COMMIT.test(revision) ? COMMIT_FRESH_MS : null;
  const answer = await http.open(asked, observe).catch((error: unknown): SourceAnswer => {
    if (!(error instanceof Unchanged) || ifChanged === undefined) throw error;
    return { type: 'unchanged', facts: ifChanged, freshForMs: fresh };
  });
  const freshForMs = fresh ?? answer.freshForMs;
  if (answer.type === 'unchanged') return { ...answer, freshForMs };
  const { lastModified: _, ...facts } = answer.facts;
  const found = linked === undefined ? answer.facts : { ...facts, etag: linkedEtag(linked) };
  if (ifRange !== undefined && answer.start > 0 && likeness(found, ifRange) !== 'same') {
    answer.body.close();
    throw new Fault('source-changed', `hf://${repo}/${path} is another content than before`);
  }
  return { ...answer, facts: found, freshForMs };
}

/** The first answer says that the content is the known one: its redirect need not be followed. */
class Unchanged extends Error {}

/** Told apart from ETags of other hosts, which may stand for other things. */
function linkedEtag(text: string): string {
  return `"hf-${text.replace(/^W\//, '').replaceAll('"', '')}"`;
}

function isLinked(etag: string | undefined): boolean {
  return etag?.startsWith('"hf-') === true;
}

/** With the reader's own token where the asker gave none. */
function signed<Request extends ListRequest>(request: Request, { HF_TOKEN }: Env): Request {
  const given = request.headers.some(([name]) => name.toLowerCase() === 'authorization');
  if (given || HF_TOKEN === undefined || HF_TOKEN === '') return request;
  return { ...request, headers: [...request.headers, ['authorization', `Bearer ${HF_TOKEN}`]] };
}

type TreeEntry = {
  readonly type?: unknown;
  readonly path?: unknown;
  readonly size?: unknown;
  readonly lfs?: { readonly oid?: unknown } | null;
};

/** Every file of one commit, so that a push while the tree is downloaded does not mix two of them. */
async function* list(request: ListRequest, endpoint: string, http: HttpReader): AsyncGenerator<SourceEntry> {
  const { kind, repo, revision, path } = parseHfUrl(request.url);
  const api = `${endpoint}/api/${kind}/${repo}`;
  const told = await json(request, `${api}/revision/${revision}`, http);
  const { sha } = told.value as { sha?: unknown };
  if (typeof sha !== 'string' || !COMMIT.test(sha))
    throw new Fault('source-lied', `${api} does not tell the commit of ${revision}`);
  const top = kind === 'models' ? `hf://${repo}@${sha}` : `hf://${kind}/${repo}@${sha}`;
  const below = path === '' ? '' : `${decodeURIComponent(path)}/`;
  let next: string | undefined = `${api}/tree/${sha}${path === '' ? '' : `/${path}`}?recursive=true`;
  for (let pages = 0; next !== undefined; pages++) {
    if (pages >= MAX_LISTED_PAGES) throw new Fault('source-lied', `the listing of hf://${repo} has no end`);
    const { value, link }: { value: unknown; link: string | undefined } = await json(request, next, http);
    for (const entry of Array.isArray(value) ? (value as TreeEntry[]) : []) {
      const found = entryOf(entry, { top, below });
      if (found !== undefined) yield found;
    }
    next = nextOf(link, next);
  }
}

function entryOf({ type, path, size, lfs }: TreeEntry, at: { top: string; below: string }): SourceEntry | undefined {
  if (type !== 'file' || typeof path !== 'string' || !path.startsWith(at.below)) return undefined;
  const oid = typeof lfs?.oid === 'string' && /^[0-9a-f]{64}$/.test(lfs.oid) ? lfs.oid : undefined;
  return {
    url: `${at.top}/${path.split('/').map(encodeURIComponent).join('/')}`,
    path: path.slice(at.below.length),
    bytes: typeof size === 'number' ? size : null,
    ...(oid === undefined ? {} : { digest: `sha256:${oid}` }),
  };
}

async function json(
  request: ListRequest,
  url: string,
  http: HttpReader,
): Promise<{ value: unknown; link: string | undefined }> {
  let link: string | undefined;
  const { text } = await http.page({ ...request, url }, (_, headers) => {
    link = headerOf(headers, 'link');
  });
  try {
    return { value: JSON.parse(text), link };
  } catch (cause) {
    throw new Fault('source-lied', `${new URL(url).pathname} does not answer with JSON`, { cause });
  }
}

/** The next page must be of the same host: the token goes with it. */
function nextOf(link: string | undefined, now: string): string | undefined {
  const found = /<([^<>]+)>\s*;\s*rel="?next"?/.exec(link ?? '')?.[1];
  const next = found === undefined ? null : URL.parse(found, now);
  return next?.origin === new URL(now).origin ? next.href : undefined;
}
