/**
 * The files of a web page, read once and kept in memory: what a request names is looked up among them, so that no path of a stranger ever reaches
 * the disk. TypeScript goes out as the JavaScript that is left of it without its types; there is no build. Loaded with the first request.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nextTurn } from './turn.ts';

export type PageFile = { readonly type: string; readonly body: Buffer; readonly etag: string };

export type PageFiles = {
  /** Undefined when there is no such file. `name` as in the URL, below the page's own place. */
  find(name: string): PageFile | undefined;
  /** For every answer. */
  readonly headers: Readonly<Record<string, string>>;
};

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ts': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
};

/** Modules of others that the page may import: their name below `modules/` → their package. */
export type PageModules = Readonly<Record<string, string>>;

/** `folder` is where the files are; those of it that are of no known type, tests and settings are not served. */
export async function loadPage(folder: URL, modules: PageModules): Promise<PageFiles> {
  const files = new Map<string, PageFile>();
  const root = fileURLToPath(folder);
  for (const name of await readdir(root)) {
    const type = TYPES[extname(name)];
    if (type === undefined || name.endsWith('.test.ts')) continue;
    files.set(name, made(type, await contentOf(join(root, name))));
    // Hosts must not wait for all of them.
    await nextTurn();
  }
  for (const [name, module] of Object.entries(modules)) {
    const body = await readFile(fileURLToPath(import.meta.resolve(module)));
    files.set(`modules/${name}`, made(TYPES['.mjs'] ?? '', body));
  }
  const index = files.get('index.html')?.body.toString('utf8') ?? '';
  return { find: (name) => files.get(name === '' ? 'index.html' : name), headers: headersFor(index) };
}

async function contentOf(path: string): Promise<Buffer> {
  if (!path.endsWith('.ts')) return readFile(path);
  return Buffer.from(stripTypeScriptTypes(await readFile(path, 'utf8')));
}

function made(type: string, body: Buffer): PageFile {
  return { type, body, etag: `"${createHash('sha256').update(body).digest('base64url')}"` };
}

const IMPORT_MAP = /<script type="importmap">(.*?)<\/script>/s;

/** Nothing but these files and this server: no script of anybody else, none inside of the page but the map of its modules, no frame around it. */
function headersFor(index: string): Readonly<Record<string, string>> {
  const map = IMPORT_MAP.exec(index)?.[1] ?? '';
  const digest = createHash('sha256').update(map).digest('base64');
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'sha256-${digest}'`,
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return {
    'content-security-policy': policy.join('; '),
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cache-control': 'no-cache',
  };
}
