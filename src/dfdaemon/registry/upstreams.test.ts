import { describe, expect, test } from 'vitest';
import { mirrorTarget, type Upstream, type UpstreamTable, upstreamOf } from './upstreams.ts';

const upstream = (origin: string): Upstream => ({
  origin,
  trust: { insecure: false, cacerts: [] },
  credentials: { type: 'client' },
  direct: false,
});
const table: UpstreamTable = {
  standard: upstream('https://registry-1.docker.io'),
  named: new Map([
    ['quay.io', upstream('https://quay.internal')],
    ['lan', upstream('http://10.0.0.1:5000')],
  ]),
};

const shown = (target: string, header?: string) => {
  const found = mirrorTarget(target, header, table);
  return found === undefined ? undefined : [`${found.upstream.origin}${found.path}`, found.prefix, found.inner];
};

describe('the registry of a request', () => {
  test.each([
    ['/v2/library/app/tags/list', undefined, ['https://registry-1.docker.io/v2/library/app/tags/list', '', '']],
    ['/v2/a/manifests/1?ns=quay.io', undefined, ['https://quay.internal/v2/a/manifests/1', '', '']],
    ['/v2/a/manifests/1?ns=docker.io', undefined, ['https://registry-1.docker.io/v2/a/manifests/1', '', '']],
    ['/v2/a/tags/list?n=5&ns=ghcr.io&last=x', undefined, ['https://ghcr.io/v2/a/tags/list?n=5&last=x', '', '']],
    ['/v2/a/x?ns=127.0.0.1%3A5000', undefined, ['http://127.0.0.1:5000/v2/a/x', '', '']],
    ['/v2/a/x?ns=quay.io', 'http://other:81', ['http://other:81/v2/a/x', '', '']],
    ['/quay.io/v2/a/x', undefined, ['https://quay.internal/v2/a/x', '/quay.io', '']],
    ['/v2/quay.io/a/x', undefined, ['https://quay.internal/v2/a/x', '', 'quay.io']],
    ['/v2/lan/a/x', undefined, ['http://10.0.0.1:5000/v2/a/x', '', 'lan']],
    ['/v2/lan2/a/x', undefined, ['https://registry-1.docker.io/v2/lan2/a/x', '', '']],
    ['/v2/my.host:5000/a/x', undefined, ['https://my.host:5000/v2/a/x', '', 'my.host:5000']],
    // Said by ns, a first part that looks like another registry is a folder of that one.
    ['/v2/ghcr.io/a/x?ns=quay.io', undefined, ['https://quay.internal/v2/ghcr.io/a/x', '', '']],
    ['/v2/', undefined, ['https://registry-1.docker.io/v2/', '', '']],
  ])('%s, header %s', (target, header, expected) => {
    expect(shown(target, header)).toEqual(expected);
  });

  test('a name that is none is refused', () => {
    expect(shown('/v2/a/x?ns=quay.io%2Fevil%40host')).toBeUndefined();
    expect(shown('/v2/a/x', 'not a registry')).toBeUndefined();
    expect(upstreamOf('file:///etc/passwd', table)).toBeUndefined();
  });
});
