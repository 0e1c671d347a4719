/**
 * The tree behind an index page as nginx, Apache and the like make it: links that lead below the page are its files, those that
 * end in a slash its folders, which are read in turn. Links elsewhere (parent, sorting, other sites) are not followed.
 */
import { Fault } from '../protocol/faults.ts';
import type { HttpReader } from './http-reader.ts';
import type { ListRequest, SourceEntry } from './source.ts';

const MAX_DEPTH = 64;
const MAX_PAGES = 100_000;
const LINK = /<a\s[^>]*?\bhref\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))/gi;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", '#39': "'" };

export async function* listIndex(request: ListRequest, http: Pick<HttpReader, 'page'>): AsyncGenerator<SourceEntry> {
  const top = new URL(request.url);
  if (!top.pathname.endsWith('/')) top.pathname += '/';
  const folders = [{ url: top, depth: 0 }];
  const seen = new Set([top.href]);
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const { text, url } = await http.page({ ...request, url: folder.url.href });
    if (url.origin !== top.origin || url.pathname !== folder.url.pathname) {
      throw new Fault('source-refused', `${top.origin}${folder.url.pathname} is a redirect and no listing`);
    }
    for (const link of linksBelow(text, folder.url)) {
      if (seen.has(link.href)) continue;
      seen.add(link.href);
      if (seen.size > MAX_PAGES * 10) throw new Fault('source-lied', `${top.origin}${top.pathname} has no end`);
      if (!link.pathname.endsWith('/')) yield entryOf(link, top);
      else if (folder.depth < MAX_DEPTH) folders.push({ url: link, depth: folder.depth + 1 });
    }
  }
}

/** What the page links to directly below its own address; each once, in the order of the page. */
export function linksBelow(html: string, page: URL): URL[] {
  const links: URL[] = [];
  for (const match of html.matchAll(LINK)) {
    const link = URL.parse(decodeEntities(match[1] ?? match[2] ?? match[3] ?? ''), page);
    if (link === null || link.origin !== page.origin || link.search !== '') continue;
    link.hash = '';
    const rest = link.pathname.startsWith(page.pathname) ? link.pathname.slice(page.pathname.length) : '';
    if (!/^[^/]+\/?$/.test(rest)) continue;
    link.username = page.username;
    link.password = page.password;
    links.push(link);
  }
  return links;
}

function entryOf(link: URL, top: URL): SourceEntry {
  return { url: link.href, path: decodeNames(link.pathname.slice(top.pathname.length)), bytes: null };
}

/** Each name decoded by itself: a slash that was encoded is a part of a name, and no folder. */
export function decodeNames(path: string): string {
  return path
    .split('/')
    .map((name) => {
      try {
        const decoded = decodeURIComponent(name);
        return decoded.includes('/') ? name : decoded;
      } catch {
        return name; // not UTF-8: as it stands
      }
    })
    .join('/');
}

function decodeEntities(text: string): string {
  return text.replace(/&(#?\w+);/g, (whole, name: string) => {
    const known = ENTITIES[name.toLowerCase()];
    if (known !== undefined) return known;
    const code = /^#x([0-9a-f]{1,6})$/i.exec(name)?.[1];
    const point = code === undefined ? Number(/^#(\d{1,7})$/.exec(name)?.[1]) : Number.parseInt(code, 16);
    return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : whole;
  });
}
