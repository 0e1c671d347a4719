/**
 * The hosts that have a session now, how far each is trusted as a parent, and the operator's word on that. Isolated hosts are shown when they
 * are away too, so that they can be released.
 */
import type { ApiRoutes } from '../../io/api-server.ts';
import { HOST_FILTERS } from '../../protocol/api-views.ts';
import { Fault } from '../../protocol/faults.ts';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import type { SchedulerEvent } from '../../scheduler/events.ts';
import { type CensusParts, NOTHING_KNOWN } from '../host-census.ts';
import { type HostQuery, listHosts, trustOf, viewOf } from './host-list.ts';
import { listingQuery } from './listing.ts';

export type HostParts = CensusParts & { readonly order: (event: SchedulerEvent) => void };

type ByHost = { Params: { id: string } };
type IsolateBody = { readonly reason: string; readonly seconds?: number };

const YEAR_SECONDS = 366 * 24 * 3600;

export const ISOLATE_BODY = {
  type: 'object',
  required: ['reason'],
  properties: {
    reason: { type: 'string', minLength: 1, maxLength: 200, description: 'shown wherever the host is shown' },
    seconds: {
      type: 'number',
      exclusiveMinimum: 0,
      maximum: YEAR_SECONDS,
      description: 'absent = until it is released',
    },
  },
} as const;

export function addHosts(app: ApiRoutes, parts: HostParts): void {
  const { hosts, standingOf, isSilent, order } = parts;
  app.get<{ Querystring: HostQuery }>(
    '/v1/hosts',
    { schema: { querystring: listingQuery(HOST_FILTERS) } },
    async ({ query }) => listHosts(parts, query),
  );
  app.get<ByHost>('/v1/hosts/:id', async ({ params }) => {
    const id = known(params.id, parts);
    const record = hosts.find(id);
    const view = viewOf({ id, record, standing: standingOf(id) ?? NOTHING_KNOWN, silent: isSilent(id) });
    return record === undefined ? view : { ...view, contents: [...record.swarms.keys()] };
  });
  app.post<ByHost & { Body: IsolateBody }>(
    '/v1/hosts/:id/isolate',
    { schema: { body: ISOLATE_BODY } },
    async ({ params, body }) => {
      const id = known(params.id, parts);
      const unknown = Object.keys(body).find((name) => !Object.hasOwn(ISOLATE_BODY.properties, name));
      if (unknown !== undefined) throw new Fault('usage', `there is no field ${unknown}; there are reason and seconds`);
      const { reason: note, seconds } = body;
      order({ type: 'isolation-ordered', host: id, forMs: seconds === undefined ? null : seconds * 1000, note });
      return { id, ...trustOf(standingOf(id)) };
    },
  );
  app.post<ByHost>('/v1/hosts/:id/release', async ({ params }) => {
    const id = known(params.id, parts);
    order({ type: 'release-ordered', host: id });
    return { id, ...trustOf(standingOf(id)) };
  });
}

/** Fault not-found for a host of which nothing is known. */
function known(text: string, { hosts, standingOf }: HostParts): HostId {
  const id = parseHostId(text);
  if (id === undefined || (hosts.find(id) === undefined && standingOf(id) === undefined))
    throw new Fault('not-found', `no host ${text}`);
  return id;
}
