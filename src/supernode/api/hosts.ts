/** The hosts that have a session now. */
import type { ApiRoutes } from '../../io/api-server.ts';
import { Fault } from '../../protocol/faults.ts';
import { parseHostId } from '../../protocol/ids.ts';
import type { HostRecord, Hosts } from '../hosts.ts';

export function addHosts(app: ApiRoutes, hosts: Hosts): void {
  app.get('/v1/hosts', async () => ({ hosts: [...hosts.all].map(shown) }));
  app.get<{ Params: { id: string } }>('/v1/hosts/:id', async ({ params }) => {
    const id = parseHostId(params.id);
    const record = id === undefined ? undefined : hosts.find(id);
    if (record === undefined) throw new Fault('not-found', `no host ${params.id}`);
    return { ...shown(record), contents: [...record.swarms.keys()] };
  });
}

function shown(record: HostRecord): object {
  const { description, joinedAt, swarms, offers, isolated } = record;
  return {
    ...description,
    joinedAt: new Date(joinedAt).toISOString(),
    downloads: [...swarms.values()].filter(Boolean).length,
    contents: swarms.size + offers.size,
    ...(isolated === undefined ? {} : { isolated }),
  };
}
