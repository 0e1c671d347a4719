/**
 * Preheats: below /v1 as they are, and below the paths of v1 with its field names beside ours, so that what was written
 * for it (Harbor's P2P preheat policy) goes on working. Schemas are JSON Schema: what is checked is what is documented.
 */
import type { ApiRoutes } from '../../io/api-server.ts';
import { Fault } from '../../protocol/faults.ts';
import { parseDigest } from '../../protocol/identity.ts';
import { parsePlatform } from '../../protocol/oci/image-manifest.ts';
import { isHeader } from '../../protocol/shapes.ts';
import { noPreheat } from '../preheat/create.ts';
import type { PreheatRequest, PreheatState, PreheatView } from '../preheat/preheat-request.ts';
import type { Preheats } from '../preheat/preheats.ts';

export const PREHEAT_PATH = '/v1/preheats';
/** Paths that v1 had. */
export const OLD_PREHEAT_PATHS = ['/preheats', '/api/v1/preheats'] as const;

const text = { type: 'string', minLength: 1, maxLength: 4096 } as const;

export const PREHEAT_BODY = {
  type: 'object',
  required: ['type', 'url'],
  properties: {
    type: { type: 'string', enum: ['file', 'image'] },
    url: { ...text, maxLength: 16_384, description: "a file's URL; an image's name or the URL of its manifest" },
    headers: {
      type: 'object',
      maxProperties: 128,
      additionalProperties: { type: 'string', maxLength: 16_384 },
      description: 'sent to the source; an authorization goes on to the token server that a registry names',
    },
    username: { ...text, description: 'for a registry that wants Basic or a token' },
    password: { type: 'string', maxLength: 16_384 },
    filter: {
      anyOf: [
        { type: 'string', maxLength: 4096 },
        { type: 'array', maxItems: 64, items: text },
      ],
      description: 'query parameters that do not name the content; a text has them between &',
    },
    identifier: text,
    digest: { ...text, description: 'of a file: algorithm:hex' },
    platform: { ...text, description: 'of an image: os/architecture[/variant]; absent = all' },
    scope: { type: 'string', enum: ['supernode', 'hosts'], default: 'supernode' },
    count: { type: 'integer', minimum: 1, maximum: 100_000, description: 'scope hosts: so many; absent = all' },
    idc: { ...text, description: 'scope hosts: only those of this data centre' },
    hosts: { type: 'array', minItems: 1, maxItems: 10_000, items: text, description: 'scope hosts: ids or names' },
    tag: text,
    insecure: { type: 'boolean', description: "do not verify the source's certificate" },
    cacerts: { type: 'array', maxItems: 32, items: { type: 'string', maxLength: 65_536 } },
  },
} as const;

type Body = {
  readonly type: 'file' | 'image';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly username?: string;
  readonly password?: string;
  readonly filter?: string | readonly string[];
  readonly identifier?: string;
  readonly digest?: string;
  readonly platform?: string;
  readonly scope: 'supernode' | 'hosts';
  readonly count?: number;
  readonly idc?: string;
  readonly hosts?: readonly string[];
  readonly tag?: string;
  readonly insecure?: boolean;
  readonly cacerts?: readonly string[];
};

export function addPreheats(app: ApiRoutes, preheats: Preheats): void {
  addAt(app, PREHEAT_PATH, preheats, { show: (view) => view, check: refuseUnknown });
  // Who was written for v1 may send fields of its later versions, which mean nothing here.
  for (const path of OLD_PREHEAT_PATHS) addAt(app, path, preheats, { show: withOldNames, check: () => undefined });
}

type Spelling = { readonly show: (view: PreheatView) => object; readonly check: (body: Body) => void };

function addAt(app: ApiRoutes, path: string, preheats: Preheats, { show, check }: Spelling): void {
  app.post<{ Body: Body }>(path, { schema: { body: PREHEAT_BODY } }, async ({ body }, reply) => {
    check(body);
    const { preheat, fresh } = preheats.ask(requestOf(body));
    return reply.code(fresh ? 201 : 200).send(show(preheat.view));
  });
  app.get<{ Querystring: { tag?: string } }>(path, async ({ query }) => {
    const all = preheats.list.filter(({ tag }) => query.tag === undefined || tag === query.tag);
    // The list is for finding one; layers and hosts are in each one's own answer.
    return { preheats: all.map(({ view }) => show({ ...view, layers: [], hosts: [] })) };
  });
  app.get<{ Params: { id: string } }>(`${path}/:id`, async ({ params }) => {
    const preheat = preheats.find(params.id);
    if (preheat === undefined) throw noPreheat(params.id);
    return show(preheat.view);
  });
  app.delete<{ Params: { id: string } }>(`${path}/:id`, async ({ params }, reply) => {
    if (!preheats.remove(params.id)) throw noPreheat(params.id);
    return reply.code(204).send();
  });
}

/** A field that is spelt wrong would otherwise be a wish that nobody hears. */
function refuseUnknown(body: Body): void {
  const unknown = Object.keys(body).filter((name) => !Object.hasOwn(PREHEAT_BODY.properties, name));
  if (unknown.length === 0) return;
  const known = Object.keys(PREHEAT_BODY.properties).join(', ');
  throw new Fault(
    'usage',
    `unknown field ${unknown.map((name) => JSON.stringify(name)).join(', ')}; known are ${known}`,
  );
}

/** Fault usage. No value of a header is repeated in it. */
function requestOf(body: Body): PreheatRequest {
  const { type, url, tag, identifier, insecure, cacerts, username, password = '' } = body;
  const headers = Object.entries(body.headers ?? {});
  if (!headers.every(([name, value]) => isHeader(name, value)))
    throw new Fault('usage', 'a header cannot be sent as it is');
  const platform = body.platform === undefined ? undefined : parsePlatform(body.platform);
  if (body.platform !== undefined && platform === undefined)
    throw new Fault('usage', 'platform wants os/architecture or os/architecture/variant');
  const digest = body.digest === undefined ? undefined : parseDigest(body.digest);
  if (body.digest !== undefined && digest === undefined) throw new Fault('usage', 'digest wants algorithm:hex');
  const { filter = [], scope, count, idc, hosts } = body;
  return {
    type,
    url,
    headers,
    filter: typeof filter === 'string' ? filter.split('&').filter((name) => name !== '') : filter,
    scope: scope === 'hosts' ? { count, idc, hosts } : 'supernode',
    ...{ tag, identifier, digest, platform, insecure, cacerts },
    credential: username === undefined ? undefined : { username, password },
  };
}

const OLD_STATES: Readonly<Record<PreheatState, string>> = {
  waiting: 'WAITING',
  running: 'RUNNING',
  done: 'SUCCESS',
  failed: 'FAILED',
  stopped: 'FAILED',
};

function withOldNames(view: PreheatView): object {
  return {
    ...view,
    ID: view.id,
    status: OLD_STATES[view.state],
    startTime: view.createdAt,
    ...(view.finishedAt === undefined ? {} : { finishTime: view.finishedAt }),
    ...(view.fault === undefined ? {} : { errorMsg: view.fault.message }),
  };
}
