/** The supernode's API as the page uses it. Paths are relative to the page, so that it works below any path of a proxy. */
import type { FaultView } from '../src/protocol/api-views.ts';

const PATIENCE_MS = 8_000;

/** The supernode said no, and why; a supernode that says nothing is another error. */
export class Refused extends Error {}

function placeOf(path: string): URL {
  return new URL(`../${path}`, document.baseURI);
}

async function answerOf<T>(asked: Promise<Response>): Promise<T> {
  const answer = await asked;
  const body: unknown = await answer.json().catch(() => undefined);
  if (answer.ok) return body as T;
  const { message } = (body ?? {}) as Partial<FaultView>;
  throw new Refused(message ?? `the supernode answered ${answer.status}`);
}

/** The shape of the answer is what the API promises (api-views.ts). */
export function ask<T>(path: string): Promise<T> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  return answerOf<T>(fetch(placeOf(path), { signal, cache: 'no-store' }));
}

export function order(path: string, body: object): Promise<unknown> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  const headers = { 'content-type': 'application/json' };
  return answerOf(fetch(placeOf(path), { method: 'POST', headers, body: JSON.stringify(body), signal }));
}

/** A path with those parameters that have a value. */
export function withQuery(path: string, query: Readonly<Record<string, string | number>>): string {
  const set = Object.entries(query).filter(([, value]) => value !== '');
  return `${path}?${new URLSearchParams(set.map(([name, value]) => [name, String(value)]))}`;
}
