/**
 * The contents of a store over HTTP: listed, removed, verified, pinned. The supernode has these routes for its cache and
 * each agent for its own store; whoever keeps a store says what removing a content means to him.
 */
import type { ApiRoutes } from '../io/api-server.ts';
import { Fault } from '../protocol/faults.ts';
import { type ContentId, taskOf } from '../protocol/ids.ts';
import type { ContentStore, StoredContent } from './store.ts';

export type ContentsParts = {
  readonly store: ContentStore;
  /** Takes it out of use and removes it. */
  readonly remove: (content: StoredContent) => Promise<void>;
};

/** Shorter beginnings of an id are more likely a mistake than a name. */
const LEAST_PREFIX = 4;

export type ContentView = {
  readonly content: ContentId;
  readonly task: string;
  readonly url: string;
  readonly length: number | null;
  readonly pieceSize: number;
  readonly held: number;
  readonly heldBytes: number;
  readonly complete: boolean;
  readonly pinned: boolean;
  /** Milliseconds since 1970. */
  readonly usedAt: number;
};

export function addContents(app: ApiRoutes, { store, remove }: ContentsParts): void {
  const named = (name: string): StoredContent => findContent(store, name);
  app.get('/v1/contents', async () => ({ contents: store.list().map(shownContent) }));
  app.get<{ Params: { id: string } }>('/v1/contents/:id', async ({ params }) => shownContent(named(params.id)));
  app.delete<{ Params: { id: string } }>('/v1/contents/:id', async ({ params }) => {
    const content = named(params.id);
    const view = shownContent(content);
    await remove(content);
    return view;
  });
  app.post<{ Params: { id: string } }>('/v1/contents/:id/verify', async ({ params }) => {
    const content = named(params.id);
    const before = content.held.count;
    await content.verify();
    return { ...shownContent(content), lost: before - content.held.count };
  });
  for (const [action, pinned] of [['pin', true] as const, ['unpin', false] as const])
    app.post<{ Params: { id: string } }>(`/v1/contents/:id/${action}`, async ({ params }) => {
      const content = named(params.id);
      await content.annotate({ pinned });
      return shownContent(content);
    });
}

/** By id, by the beginning of one, or by the URL that it came from. Fault not-found; usage when the name fits several. */
export function findContent(store: ContentStore, name: string): StoredContent {
  const all = store.list();
  const exact = all.find((content) => content.id === name);
  if (exact !== undefined) return exact;
  const fits = all.filter(
    ({ id, meta }) => (name.length >= LEAST_PREFIX && id.startsWith(name)) || bare(meta.url) === name,
  );
  const [first] = fits;
  if (first === undefined) throw new Fault('not-found', `no content ${name}`);
  if (fits.length > 1) throw new Fault('usage', `${name} fits ${fits.length} contents; give more of the id`);
  return first;
}

export function shownContent(content: StoredContent): ContentView {
  const { id, shape, meta, held, complete, usedAt } = content;
  return {
    content: id,
    task: taskOf(id),
    url: bare(meta.url),
    length: shape.length,
    pieceSize: shape.pieceSize,
    held: held.count,
    heldBytes: complete && shape.length !== null ? shape.length : held.count * shape.pieceSize,
    complete,
    pinned: meta.pinned === true,
    usedAt,
  };
}

/** Signatures and tokens stand in the query. */
function bare(url: string): string {
  return url.replace(/[?#].*$/s, '');
}
