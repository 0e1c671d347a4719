import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fault } from './faults.ts';
import { canonicalUrl, parseDigest, parseSourceUrl, taskIdentity } from './identity.ts';
import { spec as anySpec } from './messages.fixture.ts';
import type { TaskSpec } from './task.ts';

const SHA = `sha256:${'0f'.repeat(32)}`;
const MD5 = `md5:${'0f'.repeat(16)}`;
const of = (change: Partial<TaskSpec> & { url: string }) => taskIdentity({ headers: [], filter: [], ...change });

describe('the identity of a task', () => {
  it.each([
    ['letters of scheme and host', 'HTTP://Example.COM/a', 'http://example.com/a'],
    ['a default port', 'https://a:443/b', 'https://a/b'],
    ['user, password and fragment', 'http://u:p@a/b#c', 'http://a/b'],
    ['an empty query', 'http://a/b?', 'http://a/b'],
    ['a missing path', 'http://a', 'http://a/'],
    ['IPv6', 'http://[0:0::1]:8080/x', 'http://[::1]:8080/x'],
  ])('does not depend on %s', (_, one, other) => {
    expect(of({ url: one })).toBe(of({ url: other }));
    expect(canonicalUrl(one, [])).toBe(other);
  });

  it.each([
    ['path', 'http://a/b', 'http://a/B'],
    ['scheme', 'http://a/b', 'https://a/b'],
    ['port', 'http://a/b', 'http://a:8080/b'],
    ['order of the query', 'http://a/?x=1&y=2', 'http://a/?y=2&x=1'],
    ['escapes', 'http://a/%2F', 'http://a//'],
  ])('depends on the %s', (_, one, other) => {
    expect(of({ url: one })).not.toBe(of({ url: other }));
  });

  it('leaves filtered parameters out and the rest in its order', () => {
    expect(canonicalUrl('http://a/?z=1&sig=2&y&sig=3&a=4', ['sig', 'nothing'])).toBe('http://a/?z=1&y&a=4');
    expect(canonicalUrl('http://a/?s%69g=2&a+b=1&%ff=1&c', ['sig', 'a b', '%ff'])).toBe('http://a/?c');
    expect(canonicalUrl('http://a/?signature=1', ['sig'])).toBe('http://a/?signature=1');
  });

  it('is the digest alone where that cannot be forged', () => {
    expect(of({ url: 'http://a/', digest: SHA })).toBe(
      of({ url: 'https://b/c', digest: SHA.toUpperCase(), identifier: 'x', headers: [['Range', 'bytes=0-1']] }),
    );
    expect(of({ url: 'http://a/', digest: MD5 })).not.toBe(of({ url: 'http://b/', digest: MD5 }));
    expect(of({ url: 'http://a/', digest: MD5 })).not.toBe(of({ url: 'http://a/' }));
  });

  it('depends on the endpoint of a bucket, not on how it is spoken to nor in whose name', () => {
    const plain = of({ url: 's3://b/k' });
    expect(of({ url: 's3://b/k', s3: { region: 'x', pathStyle: true, anonymous: true }, signature: 's' })).toBe(plain);
    const there = of({ url: 's3://b/k', s3: { endpoint: 'https://S3.example.com/' } });
    expect(there).not.toBe(plain);
    expect(of({ url: 's3://b/k', s3: { endpoint: 'https://s3.example.com:443' } })).toBe(there);
    expect(of({ url: 's3://b/k', s3: { endpoint: 'https://other.example.com' } })).not.toBe(there);
  });

  it('depends on identifier and Range, not on other headers', () => {
    const plain = of({ url: 'http://a/' });
    expect(of({ url: 'http://a/', identifier: 'x' })).not.toBe(plain);
    expect(of({ url: 'http://a/', headers: [['range', 'bytes=0-1']] })).not.toBe(plain);
    expect(of({ url: 'http://a/', headers: [['Range', 'Bytes= 0-1']] })).toBe(
      of({ url: 'http://a/', headers: [['range', 'bytes=0-1']] }),
    );
    expect(of({ url: 'http://a/', headers: [['Authorization', 'x']] })).toBe(plain);
  });

  it('does not mix its parts up', () => {
    expect(of({ url: 'http://a/', identifier: '","' })).not.toBe(of({ url: 'http://a/', digest: MD5, identifier: '' }));
    expect(of({ url: 'http://a/', identifier: SHA })).not.toBe(of({ url: 'http://a/', digest: SHA }));
  });

  it('is stable: naming the canonical URL names the same task', () => {
    fc.assert(
      fc.property(anySpec, (spec) => {
        const again = { ...spec, url: canonicalUrl(spec.url, spec.filter), filter: [] };
        expect(taskIdentity(again)).toBe(taskIdentity(spec));
      }),
    );
  });
});

describe('a source URL', () => {
  it.each([
    ['', 'empty'],
    ['example.com/a', 'must begin with http://'],
    ['http://', 'not valid'],
    ['http://a b/', 'not valid'],
    ['ftp://a/b', 'cannot read from ftp: URLs; the URL must be one of http, https'],
  ])('%j is refused with a clear line', (text, line) => {
    expect(() => parseSourceUrl(text)).toThrow(line);
    expect(() => parseSourceUrl(text)).toThrow(Fault);
  });

  it('may be of the schemes that are asked for', () => {
    expect(parseSourceUrl('s3://bucket/key', ['s3:']).hostname).toBe('bucket');
    expect(() => parseSourceUrl('file:///a', ['s3:'])).toThrow('cannot read from file: URLs');
  });

  it('names no host when it is of a file of the supernode, and one in all other cases', () => {
    expect(parseSourceUrl('file:///a').pathname).toBe('/a');
    expect(() => parseSourceUrl('file://host/a')).toThrow('file:///path');
    expect(() => parseSourceUrl('s3:///a')).toThrow('names no host');
  });

  it('does not show its password when refused', () => {
    expect(() => parseSourceUrl('ftp://u:hunter2@a/')).toThrow(/^(?!.*hunter2)/);
  });
});

describe('a digest', () => {
  it('is lower case with a known algorithm and the right length', () => {
    expect(parseDigest(SHA.toUpperCase())).toBe(SHA);
    expect(parseDigest(`sha1:${'0'.repeat(40)}`)).toBeDefined();
    expect(parseDigest(`sha512:${'0'.repeat(128)}`)).toBeDefined();
    for (const wrong of [
      '',
      'md5',
      'md5:',
      `md5:${'g'.repeat(32)}`,
      `crc:${'0'.repeat(8)}`,
      `toString:${'0'.repeat(3)}`,
      '0'.repeat(64),
    ])
      expect(parseDigest(wrong)).toBeUndefined();
  });
});
