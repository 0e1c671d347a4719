/** What the supernode knows of contents; no headers, no credentials, no query of a URL. */
import { FirstFew } from '../../base/first-few.ts';
import type { ApiRoutes } from '../../io/api-server.ts';
import { TASK_STATES, type TaskListView, type TaskState, type TaskView } from '../../protocol/api-views.ts';
import { Fault } from '../../protocol/faults.ts';
import { parseTaskId } from '../../protocol/ids.ts';
import type { Cache } from '../cache/cache.ts';
import type { Entry } from '../cache/entry.ts';
import type { Swarms } from '../swarms.ts';
import { listingQuery } from './listing.ts';

export type TaskParts = {
  readonly cache: Pick<Cache, 'entries' | 'current' | 'drop'>;
  readonly swarms: Pick<Swarms, 'hostsOf' | 'hostCount'>;
};

export type TaskQuery = {
  readonly limit?: number;
  readonly state?: TaskState;
  /** Part of a URL, task or content. */
  readonly search?: string;
};

export function addTasks(app: ApiRoutes, { cache, swarms }: TaskParts): void {
  app.get<{ Querystring: TaskQuery }>(
    '/v1/tasks',
    { schema: { querystring: listingQuery(TASK_STATES) } },
    async ({ query }) => listTasks({ cache, swarms }, query),
  );
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

/** With a limit those come first that are on their way, then those with the most hosts. */
export function listTasks(
  { cache, swarms }: Pick<TaskParts, 'cache' | 'swarms'>,
  { limit, state, search }: TaskQuery,
): TaskListView {
  const words = search?.trim().toLowerCase() ?? '';
  const counts = { filling: 0, complete: 0, broken: 0 };
  const few = limit === undefined ? undefined : new FirstFew<Listed>(limit, byInterest);
  const all: Listed[] = [];
  let matched = 0;
  for (const entry of cache.entries) {
    const its = taskState(entry);
    counts[its]++;
    if ((state !== undefined && state !== its) || !speaksOf(entry, words)) continue;
    matched++;
    const listed = { entry, state: its, hosts: swarms.hostCount(entry.id) };
    if (few === undefined) all.push(listed);
    else few.offer(listed);
  }
  return { counts, matched, tasks: (few?.items ?? all).map(({ entry }) => shown(entry, swarms)) };
}

type Listed = { readonly entry: Entry; readonly state: TaskState; readonly hosts: number };

const INTEREST: Readonly<Record<TaskState, number>> = { broken: 0, filling: 1, complete: 2 };

function byInterest(a: Listed, b: Listed): number {
  const [one, other] = [a.entry.stored.meta.url, b.entry.stored.meta.url];
  return INTEREST[a.state] - INTEREST[b.state] || b.hosts - a.hosts || (one < other ? -1 : one > other ? 1 : 0);
}

function speaksOf({ id, stored }: Entry, words: string): boolean {
  return words === '' || id.includes(words) || stored.meta.url.toLowerCase().includes(words);
}

export function taskState({ manifest, fault }: Pick<Entry, 'manifest' | 'fault'>): TaskState {
  if (manifest !== undefined) return 'complete';
  return fault !== undefined ? 'broken' : 'filling';
}

function shown(entry: Entry, swarms: TaskParts['swarms']): TaskView & { readonly facts: Entry['facts'] } {
  const { length, pieceSize } = entry.shape;
  return {
    task: entry.task,
    content: entry.id,
    url: entry.stored.meta.url,
    state: taskState(entry),
    length,
    pieceSize,
    piecesCached: entry.stored.held.count,
    hosts: swarms.hostCount(entry.id),
    facts: entry.facts,
  };
}
