import { describe, expect, it } from 'vitest';
import type { ContentId } from '../protocol/ids.ts';
import { doneLine, faultLine, staleLine } from './report.ts';

const MIB = 1024 * 1024;
const result = { content: 'c' as ContentId, length: 10 * MIB, done: 10 * MIB };
const from = { fromPeers: 0, fromSupernode: 0, fromSource: 0, fromDisk: 0 };

describe('the last line', () => {
  it('says what came from where', () => {
    const line = doneLine({
      type: 'done',
      result: { ...result, ...from, fromPeers: 9 * MIB, fromSupernode: MIB },
      output: '/tmp/x',
      by: 'link',
      millis: 2000,
    });
    expect(line).toBe(
      'saved /tmp/x: 10 MiB in 2.0 s, 5 MiB/s; 90.0 % from peers, 10.0 % from the supernode; it is a hard link to the cache',
    );
  });

  it('says why this host read the source', () => {
    const backToSource = { code: 'supernode-unreachable', message: 'a:8002 refused' } as const;
    const line = doneLine({
      type: 'done',
      result: { ...result, ...from, fromSource: 10 * MIB, backToSource },
      output: '/x',
      by: 'copy',
      millis: 1,
    });
    expect(line).toContain('; 100 % from the source (back to source: a:8002 refused); it is a copy');
  });

  it('of an empty content divides by nothing', () => {
    const empty = { ...result, ...from, length: 0, done: 0 };
    expect(doneLine({ type: 'done', result: empty, output: '/x', by: 'copy', millis: 0 })).toBe(
      'saved /x: 0 B in 0 ms; it is a copy',
    );
  });
});

describe('the warning of a stale content', () => {
  const done = { type: 'done', result: { ...result, ...from }, output: '/x', by: 'copy', millis: 1 } as const;

  it('says since when and why, in one line', () => {
    const stale = { checkedAt: 0, why: { code: 'source-unreachable', message: 'it\nanswered 503' } } as const;
    expect(staleLine({ ...done, result: { ...done.result, stale } })).toBe(
      'dfget: the content may be out of date: it was right at 1970-01-01T00:00:00.000Z, and it answered 503',
    );
  });

  it('is for no other content', () => {
    expect(staleLine(done)).toBeUndefined();
  });
});

describe('an error line', () => {
  it('is one line with status and advice', () => {
    expect(faultLine({ code: 'source-refused', message: 'the source\nsaid no', sourceStatus: 404 })).toBe(
      'dfget: the source said no (status 404); check the URL and the credentials',
    );
    expect(faultLine({ code: 'source-refused', message: 'it answered 404', sourceStatus: 404 })).not.toContain(
      'status',
    );
  });

  it('of usage gives its own advice', () => {
    expect(faultLine({ code: 'usage', message: '--port wants a whole number' })).toBe(
      'dfget: --port wants a whole number',
    );
  });
});
