import { describe, expect, it } from 'vitest';
import { digestOf, filterOf, headersOf, nodesOf, parseDownloadFlags, patternOf, urlOf } from './flags.ts';

describe('the URL', () => {
  it('is absolute and of a known scheme', () => {
    expect(urlOf('https://a.example/b?c').host).toBe('a.example');
    expect(() => urlOf(undefined)).toThrow('give the URL to download with --url');
    expect(() => urlOf('a.example/b')).toThrow('not an absolute URL');
    expect(() => urlOf('ftp://a/b')).toThrow('has the scheme ftp; supported are http, https, s3, hf, file');
  });

  it('is named in an error without what may be secret in it', () => {
    expect(() => urlOf('http://user:pass@[::/x?token=1')).toThrow(/^(?!.*(pass|token))/);
  });
});

describe('the digest', () => {
  const md5 = 'D41D8CD98F00B204E9800998ECF8427E';

  it('is one of four algorithms, in lower case', () => {
    expect(digestOf({ digest: undefined, md5 })).toBe(`md5:${md5.toLowerCase()}`);
    expect(digestOf({ digest: `sha256:${'a'.repeat(64)}`, md5: undefined })).toBe(`sha256:${'a'.repeat(64)}`);
    expect(digestOf({ digest: undefined, md5: undefined })).toBeUndefined();
  });

  it.each([
    [{ digest: 'sha256:abc', md5: undefined }, 'wants 64 hexadecimal digits'],
    [{ digest: `sha256:${'g'.repeat(64)}`, md5: undefined }, 'wants 64 hexadecimal digits'],
    [{ digest: `sha256:${'a'.repeat(64)}:`, md5: undefined }, 'wants 64 hexadecimal digits'],
    [{ digest: 'crc32:12345678', md5: undefined }, 'md5, sha1, sha256, sha512'],
    [{ digest: undefined, md5: '12' }, '--md5 wants 32 hexadecimal digits'],
    [{ digest: `md5:${md5}`, md5 }, 'not both'],
  ])('%j is refused', (flags, message) => {
    expect(() => digestOf(flags)).toThrow(message);
  });
});

describe('headers', () => {
  it('stay in order and repeated', () => {
    expect(headersOf(['Accept: a', 'X-One:1', 'accept:b : c'])).toEqual([
      ['Accept', 'a'],
      ['X-One', '1'],
      ['accept', 'b : c'],
    ]);
  });

  it.each(['no colon secret', 'bad name: secret', ': secret', 'A: secret\r\nB: 1'])(
    'that are wrong are refused without their value: %j',
    (line) => {
      expect(() => headersOf(['A: 1', line])).toThrow(/^the 2\. --header (?!.*secret)/);
    },
  );
});

describe('supernodes', () => {
  it('are a list, repeated or with commas', () => {
    expect(nodesOf(['a,b:80=2', '[fd00::1]:8002=3', '[::1]', '10.0.0.1'])).toEqual([
      'a',
      'b:80=2',
      '[fd00::1]:8002=3',
      '[::1]',
      '10.0.0.1',
    ]);
  });

  it.each(['', 'a:b', 'a:0', 'a:70000', 'fd00::1', 'a=0', 'a=x', 'a/b', 'a b'])('%j is refused', (node) => {
    expect(() => nodesOf([node])).toThrow('--node wants HOST');
  });
});

describe('the rest', () => {
  it('the pattern is one of three', () => {
    expect(patternOf()).toBe('p2p');
    expect(() => patternOf('fast')).toThrow('p2p, cdn or source');
  });

  it('the filter is a list of names', () => {
    expect(filterOf('a&b&')).toEqual(['a', 'b']);
  });

  it('a flag that v1 renamed is told so, and a bare word too', () => {
    expect(() => parseDownloadFlags(['--exceed=5s'])).toThrow('--exceed is called --timeout now');
    expect(() => parseDownloadFlags(['http://a/b'])).toThrow('a URL comes after --url');
  });
});
