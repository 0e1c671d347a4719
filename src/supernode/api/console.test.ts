import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiServer } from '../../io/api-server.ts';
import { silentLog } from '../../io/log.ts';
import { addConsole } from './console.ts';

let api: ApiServer;
beforeEach(() => {
  api = new ApiServer({ log: silentLog });
  addConsole(api.app);
});
afterEach(() => api.close());

/** What no client would send: the path as it stands. */
async function raw(port: number, path: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  let said = '';
  socket.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  await once(socket, 'close');
  return said;
}

describe('the console', () => {
  it('is where a browser is led to, and nobody else', async () => {
    const browser = { accept: 'text/html,application/xhtml+xml' };
    const root = await api.app.inject({ url: '/', headers: browser });
    expect([root.statusCode, root.headers.location]).toEqual([302, 'console/']);
    expect((await api.app.inject('/')).statusCode).toBe(404);
    expect((await api.app.inject('/console')).headers.location).toBe('console/');
  });

  it('has its files with their types, and TypeScript without its types', async () => {
    for (const [name, type] of [
      ['', 'text/html; charset=utf-8'],
      ['style.css', 'text/css; charset=utf-8'],
      ['icon.svg', 'image/svg+xml'],
      ['main.ts', 'text/javascript; charset=utf-8'],
      ['modules/preact.mjs', 'text/javascript; charset=utf-8'],
      ['modules/hooks.mjs', 'text/javascript; charset=utf-8'],
      ['modules/htm.mjs', 'text/javascript; charset=utf-8'],
    ]) {
      const answer = await api.app.inject(`/console/${name}`);
      expect([name, answer.statusCode, answer.headers['content-type']]).toEqual([name, 200, type]);
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
    }
    const code = (await api.app.inject('/console/words.ts')).body;
    expect(code).toContain('export function durationText(seconds');
    expect(code).not.toMatch(/: number|import type|protocol\/api-views/);
  });

  it('names no place of anybody else', async () => {
    const page = (await api.app.inject('/console/')).body;
    const names = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, name]) => name ?? '');
    const map = JSON.parse(/importmap">([^<]+)</.exec(page)?.[1] ?? '') as { imports: Record<string, string> };
    for (const name of [...names, ...Object.values(map.imports)]) {
      expect(name).not.toMatch(/^(?:[a-z]+:|\/)/);
      expect((await api.app.inject(`/console/${name.replace(/^\.\//, '')}`)).statusCode).toBe(200);
    }
  });

  it('lets no script run but its own, and nobody frame it', async () => {
    const answer = await api.app.inject('/console/');
    const policy = String(answer.headers['content-security-policy']);
    const map = /<script type="importmap">(.*?)<\/script>/s.exec(answer.body)?.[1] ?? '';
    const digest = createHash('sha256').update(map).digest('base64');
    expect(policy).toContain(`script-src 'self' 'sha256-${digest}'`);
    for (const part of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"])
      expect(policy).toContain(part);
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
  });

  it('is not sent again when it is the same', async () => {
    const { etag } = (await api.app.inject('/console/style.css')).headers;
    const again = await api.app.inject({ url: '/console/style.css', headers: { 'if-none-match': String(etag) } });
    expect([again.statusCode, again.body]).toEqual([304, '']);
  });

  it('gives nothing that is not its own, however it is asked for', async () => {
    const port = await api.listen('127.0.0.1', 0);
    const up = [
      '../package.json',
      '..%2fpackage.json',
      '%2e%2e/package.json',
      '%2e%2e%2f%2e%2e%2fetc/passwd',
      '..\\package.json',
    ];
    const other = [
      'words.test.ts',
      'tsconfig.json',
      'modules/../main.ts',
      '/etc/passwd',
      '%00',
      'main.ts%00.css',
      'constructor',
    ];
    for (const name of [...up, ...other, 'modules/', 'modules/package.json', '__proto__', 'modules/preact.mjs.map'])
      expect([name, (await raw(port, `/console/${name}`)).slice(0, 12)]).toEqual([name, 'HTTP/1.1 404']);
  });
});
