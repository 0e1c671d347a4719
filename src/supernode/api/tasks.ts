/** What the supernode knows of contents; no headers, no credentials, no query of a URL. */
import type { ApiRoutes } from '../../io/api-server.ts';
import { Fault } from '../../protocol/faults.ts';
import { parseTaskId } from '../../protocol/ids.ts';
import type { Cache } from '../cache/cache.ts';
import type { Entry } from '../cache/entry.ts';
import type { Swarms } from '../swarms.ts';

export type TaskParts = { readonly cache: Cache; readonly swarms: Swarms };

export function addTasks(app: ApiRoutes, { cache, swarms }: TaskParts): void {
  app.get('/v1/tasks', async () => ({ tasks: [...cache.entries].map((entry) => shown(entry, swarms)) }));
  app.get<{ Params: { id: string } }>('/v1/tasks/:id', async ({ params }) => {
    const task = parseTaskId(params.id);
    const entry = task === undefined ? undefined : cache.current(task);
    if (entry === undefined) throw new Fault('not-found', `no task ${params.id}`);
    const hosts = swarms.hostsOf(entry.id).map((record) => ({
      host: record.description.id,
      name: record.description.name,
      downloading: record.swarms.get(entry.id) === true,
    }));
    return { ...shown(entry, swarms), hosts };
  });
  app.delete<{ Params: { id: string } }>('/v1/tasks/:id', async ({ params }, reply) => {
    const task = parseTaskId(params.id);
    if (task === undefined || !(await cache.drop(task))) throw new Fault('not-found', `no task ${params.id}`);
    return reply.code(204).send();
  });
}

function shown(entry: Entry, swarms: Swarms): object {
  const { length, pieceSize } = entry.shape;
  return {
    task: entry.task,
    content: entry.id,
    url: entry.stored.meta.url,
    state: entry.manifest !== undefined ? 'complete' : entry.fault !== undefined ? 'broken' : 'filling',
    length,
    pieceSize,
    piecesCached: entry.stored.held.count,
    hosts: swarms.hostsOf(entry.id).length,
    facts: entry.facts,
  };
}
