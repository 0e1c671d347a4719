/** A hub that lays files out as Hugging Face does: commits, trees in pages, large files behind a signed redirect to another host. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export type HubFile = { readonly data: Buffer; readonly large?: boolean };

const PAGE = 2;

export class TestHub {
  readonly #hub: Server;
  readonly #store: Server;
  readonly #token: string | undefined;
  readonly #files = new Map<string, HubFile>();
  commit = createHash('sha1').update('1').digest('hex');
  /** Paths that were asked for at the hub, and bytes that left the store of large files. */
  readonly asked: string[] = [];
  storedBytes = 0;
  /** The store saw the token, which it must not. */
  leaked = false;

  private constructor(hub: Server, store: Server, token: string | undefined) {
    this.#hub = hub;
    this.#store = store;
    this.#token = token;
    hub.on('request', (request, response) => this.#answer(request, response));
    store.on('request', (request, response) => this.#give(request, response));
  }

  static async start(token?: string): Promise<TestHub> {
    const [hub, store] = [createServer(), createServer()];
    const made = new TestHub(hub, store, token);
    for (const server of [hub, store]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    return made;
  }

  get endpoint(): string {
    return urlOf(this.#hub);
  }

  put(path: string, file: HubFile): void {
    this.#files.set(path, file);
  }

  /** A push: another commit from now on. */
  push(): void {
    this.commit = createHash('sha1').update(this.commit).digest('hex');
  }

  async close(): Promise<void> {
    for (const server of [this.#hub, this.#store]) {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.endpoint);
    this.asked.push(url.pathname);
    if (this.#token !== undefined && request.headers.authorization !== `Bearer ${this.#token}`)
      return void response.writeHead(401).end();
    const resolve = /^\/owner\/model\/resolve\/([^/]+)\/(.+)$/.exec(url.pathname);
    if (resolve !== null) return void this.#resolve(decodeURIComponent(resolve[2] ?? ''), response);
    if (/^\/api\/models\/owner\/model\/revision\//.test(url.pathname)) return void json(response, { sha: this.commit });
    const tree = /^\/api\/models\/owner\/model\/tree\/([0-9a-f]{40})(?:\/(.*))?$/.exec(url.pathname);
    if (tree?.[1] === this.commit) return void this.#tree(tree[2] ?? '', url, response);
    response.writeHead(404).end();
  }

  #resolve(path: string, response: ServerResponse): void {
    const file = this.#files.get(path);
    if (file === undefined) return void response.writeHead(404).end();
    const digest = createHash('sha256').update(file.data).digest('hex');
    if (!file.large) {
      const etag = `"${digest.slice(0, 40)}"`;
      return void response.writeHead(200, { etag, 'content-length': file.data.length }).end(file.data);
    }
    const location = `${urlOf(this.#store)}/${encodeURIComponent(path)}?signature=${Math.random()}`;
    response.writeHead(302, { location, 'x-linked-etag': `"${digest}"`, 'x-linked-size': file.data.length }).end();
  }

  #give(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers.authorization !== undefined) this.leaked = true;
    const path = decodeURIComponent(new URL(request.url ?? '/', this.endpoint).pathname.slice(1));
    const data = this.#files.get(path)?.data ?? Buffer.alloc(0);
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    const start = Number(range?.[1] ?? 0);
    const end = Math.min(data.length, range?.[2] ? Number(range[2]) + 1 : data.length);
    this.storedBytes += end - start;
    const head = { etag: '"of-the-store"', 'accept-ranges': 'bytes', 'content-length': end - start };
    const part = range === null ? {} : { 'content-range': `bytes ${start}-${end - 1}/${data.length}` };
    response.writeHead(range === null ? 200 : 206, { ...head, ...part }).end(data.subarray(start, end));
  }

  #tree(below: string, url: URL, response: ServerResponse): void {
    const prefix = below === '' ? '' : `${decodeURIComponent(below)}/`;
    const all = [...this.#files].filter(([path]) => path.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
    const from = Number(url.searchParams.get('cursor') ?? 0);
    if (from + PAGE < all.length) {
      url.searchParams.set('cursor', String(from + PAGE));
      response.setHeader('link', `<${url.href}>; rel="next"`);
    }
    const files = all.slice(from, from + PAGE).map(([path, { data, large }]) => ({
      type: 'file',
      path,
      size: data.length,
      ...(large ? { lfs: { oid: createHash('sha256').update(data).digest('hex'), size: data.length } } : {}),
    }));
    json(response, [{ type: 'directory', path: 'any' }, ...files]);
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
