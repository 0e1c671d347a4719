import { describe, expect, it } from 'vitest';
import { parseBatchRequest, parseDownloadRequest, parseLimits } from './agent-request.ts';

const spec = { url: 'http://a/b', headers: [], filter: [] };
const request = { spec, pattern: 'p2p', nodes: [], output: '/out', copy: false, sync: true };

describe('a download', () => {
  it('takes from the defaults what it leaves open', () => {
    const parsed = parseDownloadRequest({ ...request, minRate: 5 }, { localLimit: 7, minRate: 9, clientQueue: 3 });
    expect(parsed).toMatchObject({ localLimit: 7, minRate: 5, clientQueue: 3, noBackToSource: false, sync: true });
  });

  it.each([
    [{ ...request, output: 'out' }, 'output must be an absolute path'],
    [{ ...request, localLimit: -1 }, 'localLimit must be above 0'],
    [{ ...request, pattern: 'tree' }, 'pattern must be one of'],
    [[], 'body must be an object'],
  ])('that is wrong is refused: %j', (body, message) => {
    expect(() => parseDownloadRequest(body, {})).toThrow(message);
  });
});

describe('a batch', () => {
  const { spec: _, output: __, ...shared } = request;
  const batch = { ...shared, spec: { headers: [['A', 'b']], filter: [] } };

  it('is a request per file, with what is shared in each', () => {
    const digest = `sha256:${'a'.repeat(64)}`;
    const files = [
      { url: 'http://a/1', output: '/1' },
      { url: 'http://a/2', output: '/2', digest },
    ];
    const [first, second] = parseBatchRequest({ ...batch, files }, {});
    expect(first).toMatchObject({ spec: { url: 'http://a/1', headers: [['A', 'b']] }, output: '/1', sync: true });
    expect(second).toMatchObject({ spec: { url: 'http://a/2', digest }, output: '/2' });
  });

  it('names the file that is wrong', () => {
    const files = [{ url: 'http://a/1', output: '/1' }, { url: 'http://a/2' }];
    expect(() => parseBatchRequest({ ...batch, files }, {})).toThrow('file 1: ');
    expect(() => parseBatchRequest({ ...batch, files: [] }, {})).toThrow('files must be a list of 1 to 1024');
  });
});

describe('limits', () => {
  it('change where they are named: a number, or null for none', () => {
    expect(parseLimits({ down: 5 }, { down: 1, up: 2 })).toEqual({ down: 5, up: 2 });
    expect(parseLimits({ up: null }, { down: 1, up: 2 })).toEqual({ down: 1, up: undefined });
    expect(() => parseLimits({ up: 0 }, { down: 1, up: 2 })).toThrow('up must be above 0');
    expect(() => parseLimits({ down: 'fast' }, { down: 1, up: 2 })).toThrow('down must be above 0');
  });
});
