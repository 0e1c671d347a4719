/** The web console below `/console/`, and the way there for browsers. Its files are read with the first request. */
import type { ApiRoutes } from '../../io/api-server.ts';
import { once } from '../../io/once.ts';
import { Fault } from '../../protocol/faults.ts';

const FOLDER = new URL('../../../console/', import.meta.url);
const MODULES = { 'preact.mjs': 'preact', 'hooks.mjs': 'preact/hooks', 'htm.mjs': 'htm' } as const;

export function addConsole(app: ApiRoutes): void {
  const page = once(async () => (await import('../../io/page-files.ts')).loadPage(FOLDER, MODULES));
  app.get('/', async ({ headers }, reply) => {
    if (headers.accept?.includes('text/html') !== true) throw new Fault('not-found', 'there is nothing at GET /');
    return reply.redirect('console/');
  });
  app.get('/console', async (_request, reply) => reply.redirect('console/'));
  app.get<{ Params: { '*': string } }>('/console/*', async ({ params, headers }, reply) => {
    const files = await page();
    const name = params['*'];
    const file = files.find(name);
    if (file === undefined) throw new Fault('not-found', `there is nothing at GET /console/${name}`);
    reply.headers({ ...files.headers, etag: file.etag });
    if (headers['if-none-match'] === file.etag) return reply.code(304).send();
    return reply.type(file.type).send(file.body);
  });
}
