import { describe, expect, it } from 'vitest';
import { decodeNames, linksBelow, listIndex } from './http-index.ts';
import type { SourceEntry } from './source.ts';

const NGINX = `<html><head><title>Index of /pub/</title></head><body><h1>Index of /pub/</h1><hr><pre><a href="../">../</a>
<a href="sub/">sub/</a>                     23-Nov-2026 10:00       -
<a href="a%20b%26c.txt">a b&amp;c.txt</a>   23-Nov-2026 10:00    1024
</pre></body></html>`;
const APACHE = `<table><tr><th><a href="?C=N;O=D">Name</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td></tr>
<tr><td><A HREF='/pub/x.iso'>x.iso</A></td></tr><tr><td><a class=x href=y.iso>y</a></td></tr>
<tr><td><a href="q&amp;r&#39;s&#x2D;t">q</a></td></tr></table>`;
const HOSTILE = `<a href="http://other.example/pub/x">x</a><a href="../up">up</a><a href="deep/er">deep</a>
<a href="javascript:alert(1)">j</a><a href="%2e%2e/up">u</a><a href="//other.example/pub/y">y</a><a href="">self</a><a href="z#frag">z</a>`;

describe('the links of an index page', () => {
  const page = new URL('http://user:pw@host.example/pub/');
  const of = (html: string) => linksBelow(html, page).map(({ href }) => href);
  it('are its files and folders, whichever server made it', () => {
    const base = 'http://user:pw@host.example/pub';
    expect(of(NGINX)).toEqual([`${base}/sub/`, `${base}/a%20b%26c.txt`]);
    expect(of(APACHE)).toEqual([`${base}/x.iso`, `${base}/y.iso`, `${base}/q&r's-t`]);
  });

  it('lead nowhere else', () => {
    expect(of(HOSTILE)).toEqual(['http://user:pw@host.example/pub/z']);
  });
});

describe('a tree of index pages', () => {
  const pages: Readonly<Record<string, string>> = {
    '/pub/': '<a href="a">a</a><a href="sub/">s</a><a href="a">again</a>',
    '/pub/sub/': '<a href="../a">up</a><a href="b%20c">b</a><a href="/pub/sub/">self</a>',
  };
  const read = async (url: string, moved = '') => {
    const found: SourceEntry[] = [];
    const page = async (request: { readonly url: string }) => {
      const at = new URL(request.url);
      return { text: pages[at.pathname] ?? '', url: new URL(at.pathname + moved, at) };
    };
    for await (const entry of listIndex({ url, headers: [], stallMs: 1 }, { page })) found.push(entry);
    return found;
  };

  it('is read folder by folder, each file once', async () => {
    expect(await read('http://h/pub')).toEqual([
      { url: 'http://h/pub/a', path: 'a', bytes: null },
      { url: 'http://h/pub/sub/b%20c', path: 'sub/b c', bytes: null },
    ]);
  });

  it('is none where the address sends on to another page', async () => {
    await expect(read('http://h/pub/', 'login')).rejects.toMatchObject({ code: 'source-refused' });
  });

  it('has names that are decoded one by one', () => {
    expect(decodeNames('a%20b/c%2Fd/%ff')).toBe('a b/c%2Fd/%ff');
  });
});
