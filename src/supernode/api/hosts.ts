/**
 * The hosts that have a session now, how far each is trusted as a parent, and the operator's word on that. Isolated hosts are shown when they
 * are away too, so that they can be released.
 */
import type { ApiRoutes } from '../../io/api-server.ts';
import { Fault } from '../../protocol/faults.ts';
import { type HostId, parseHostId } from '../../protocol/ids.ts';
import type { SchedulerEvent } from '../../scheduler/events.ts';
import type { Standing } from '../../scheduler/trust.ts';
import type { HostRecord, Hosts } from '../hosts.ts';

export type HostParts = {
  readonly hosts: Hosts;
  readonly standingOf: (host: HostId) => Standing | undefined;
  readonly isolatedAway: () => readonly HostId[];
  readonly isSilent: (host: HostId) => boolean;
  readonly order: (event: SchedulerEvent) => void;
};

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
  const { hosts, standingOf, isolatedAway, order } = parts;
  app.get('/v1/hosts', async () => {
    const here = [...hosts.all].map((record) => shown(record, parts));
    const away = isolatedAway().map((id) => ({ id, connected: false, ...trustOf(standingOf(id)) }));
    return { counts: countsOf(here, away.length), hosts: [...here, ...away] };
  });
  app.get<ByHost>('/v1/hosts/:id', async ({ params }) => {
    const id = known(params.id, parts);
    const record = hosts.find(id);
    if (record === undefined) return { id, connected: false, ...trustOf(standingOf(id)) };
    return { ...shown(record, parts), contents: [...record.swarms.keys()] };
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
type ShownHost = ReturnType<typeof shown>;

/** Numbers of hosts: those that are connected by how far each is trusted, and isolated ones that are away. */
function countsOf(here: readonly ShownHost[], isolatedAway: number): Readonly<Record<string, number>> {
  const of = (state: Standing['state']) => here.filter((host) => host.state === state).length;
  return {
    connected: here.length,
    ok: of('ok'),
    limited: of('limited'),
    isolated: of('isolated'),
    probation: of('probation'),
    silent: here.filter(({ silent }) => silent).length,
    excluding: here.filter(({ excluded }) => excluded !== undefined).length,
    isolatedAway,
  };
}

function known(text: string, { hosts, standingOf }: HostParts): HostId {
  const id = parseHostId(text);
  if (id === undefined || (hosts.find(id) === undefined && standingOf(id) === undefined))
    throw new Fault('not-found', `no host ${text}`);
  return id;
}

function shown(record: HostRecord, { standingOf, isSilent }: HostParts) {
  const { description, joinedAt, swarms, offers } = record;
  return {
    ...description,
    connected: true,
    joinedAt: new Date(joinedAt).toISOString(),
    downloads: [...swarms.values()].filter(Boolean).length,
    contents: swarms.size + offers.size,
    silent: isSilent(description.id),
    ...trustOf(standingOf(description.id)),
  };
}

/** `secondsLeft` null = until it is released. `witnesses` = how many others it stems from. */
function trustOf(standing: Standing | undefined) {
  const { state, score, witnesses, reason, note, by, leftMs, excluded } = standing ?? NOTHING_KNOWN;
  return {
    state,
    score,
    witnesses,
    ...(reason === undefined ? {} : { reason }),
    ...(note === undefined ? {} : { note }),
    ...(by === undefined ? {} : { by }),
    ...(leftMs === undefined ? {} : { secondsLeft: leftMs === null ? null : Math.ceil(leftMs / 1000) }),
    ...(excluded.length === 0 ? {} : { excluded }),
  };
}

const NOTHING_KNOWN: Standing = { state: 'ok', score: 0, witnesses: 0, excluded: [] };
