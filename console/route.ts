/** Where the reader is, in the part of the address that no server sees: a page, and what of it he looks for. A link brings another reader there. */
import { useEffect, useState } from 'preact/hooks';

export const PAGES = ['hosts', 'contents', 'supernodes'] as const;
export type Page = (typeof PAGES)[number];

export type Route = { readonly page: Page; readonly state: string; readonly search: string };

export function parseRoute(hash: string): Route {
  const [name, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const page = PAGES.find((one) => one === name) ?? 'hosts';
  const words = new URLSearchParams(query);
  return { page, state: words.get('state') ?? '', search: words.get('search') ?? '' };
}

export function printRoute({ page, state, search }: Route): string {
  const words = new URLSearchParams();
  if (state !== '') words.set('state', state);
  if (search !== '') words.set('search', search);
  return words.size === 0 ? `#/${page}` : `#/${page}?${words}`;
}

/** `go` changes what is looked for without a new step in the history. */
export function useRoute(): { readonly route: Route; readonly go: (change: Partial<Route>) => void } {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = () => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  const go = (change: Partial<Route>) => {
    const next = { ...route, ...change };
    history.replaceState(null, '', printRoute(next));
    setRoute(next);
  };
  return { route, go };
}
