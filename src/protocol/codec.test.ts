import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { frameHead, splitFrame } from './bytes-frame.ts';
import {
  decodeHostMessages,
  decodeSupernodeBytes,
  decodeSupernodeMessages,
  encodeGiven,
  encodeMessages,
} from './codec.ts';
import { Fault } from './faults.ts';
import { hostMessage, supernodeMessage } from './messages.fixture.ts';
import { GIVEN_MAX_BYTES, type HostMessage, type SupernodeMessage } from './messages.ts';

const CONTENT = `${'a'.repeat(64)}.g1`;
const SHAPE = { length: 10, pieceSize: 131072 };

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'none';
  } catch (error) {
    return error instanceof Fault ? error.code : `not a fault: ${error}`;
  }
}

const hostCode = (message: unknown) => codeOf(() => decodeHostMessages(JSON.stringify([message])));
const supernodeCode = (message: unknown) => codeOf(() => decodeSupernodeMessages(JSON.stringify([message])));

/** Every place in a JSON value, as a path. */
function placesOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  const inner = Object.entries(value).flatMap(([key, below]) => placesOf(below, [...path, key]));
  return [path, ...inner];
}

function replaceAt(value: unknown, path: readonly (string | number)[], by: unknown): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return by;
  const copy: Record<string | number, unknown> = Array.isArray(value)
    ? ([...value] as unknown as Record<string, unknown>)
    : { ...(value as object) };
  copy[key] = replaceAt(copy[key], rest, by);
  return copy;
}

describe('the codec', () => {
  it('brings every right message over unchanged', () => {
    const same = (decode: (text: string) => unknown, messages: readonly (HostMessage | SupernodeMessage)[]) => {
      expect(decode(encodeMessages(messages))).toEqual(JSON.parse(JSON.stringify(messages)));
    };
    fc.assert(fc.property(fc.array(hostMessage, { maxLength: 5 }), (list) => same(decodeHostMessages, list)));
    fc.assert(fc.property(fc.array(supernodeMessage, { maxLength: 5 }), (list) => same(decodeSupernodeMessages, list)));
  });

  it('makes nothing but a Fault of garbage', () => {
    const garbage = fc.oneof(
      fc.string(),
      fc.json(),
      fc
        .array(fc.anything())
        .map((list) => JSON.stringify(list.map((one) => (typeof one === 'bigint' ? 0 : one))) ?? ''),
    );
    fc.assert(
      fc.property(garbage, (text) => {
        for (const decode of [decodeHostMessages, decodeSupernodeMessages]) {
          expect(['none', 'bad-message']).toContain(codeOf(() => decode(text)));
          // Garbage is let through only when there is no message in it at all.
          if (codeOf(() => decode(text)) === 'none') expect(decode(text)).toEqual([]);
        }
      }),
    );
  });

  it('survives a single wrong value anywhere in a right message with a Fault or a right message', () => {
    const wrong = fc.constantFrom<unknown>(null, -1, 1.5, 1e300, '', '\r\n', 'x'.repeat(70_000), [], {}, true);
    const check = (message: unknown, decode: (text: string) => unknown, by: unknown, at: number) => {
      const places = placesOf(message);
      const broken = replaceAt(message, places[at % places.length] ?? [], by);
      expect(['none', 'bad-message']).toContain(codeOf(() => decode(JSON.stringify([broken]))));
    };
    fc.assert(fc.property(hostMessage, wrong, fc.nat(), (m, by, at) => check(m, decodeHostMessages, by, at)));
    fc.assert(fc.property(supernodeMessage, wrong, fc.nat(), (m, by, at) => check(m, decodeSupernodeMessages, by, at)));
  });

  it('does not miss a required field', () => {
    const report = { type: 'report', content: CONTENT, held: [[1, 2, 3]], failed: [[1, 2, 'timeout']], near: [[1, 2]] };
    const address = { id: 'h', ip: '10.0.0.1', port: 80 };
    const assign = { type: 'assign', content: CONTENT, parents: [address], pieces: [[0, 0, 1, `${'A'.repeat(43)}=`]] };
    expect(hostCode(report)).toBe('none');
    expect(supernodeCode(assign)).toBe('none');
    for (const place of placesOf(report).slice(1)) {
      if (place.join('.') === 'near') continue;
      expect(hostCode(replaceAt(report, place, undefined))).toBe('bad-message');
    }
    for (const place of placesOf(assign).slice(1)) {
      if (place.join('.') === 'pieces.0.3') continue;
      expect(supernodeCode(replaceAt(assign, place, undefined))).toBe('bad-message');
    }
  });

  it.each([
    ['a piece beyond all contents', { type: 'lost', content: CONTENT, pieces: [2 ** 24 + 1] }],
    ['a fraction of a piece', { type: 'lost', content: CONTENT, pieces: [0.5] }],
    ['more pieces than a message may have', { type: 'lost', content: CONTENT, pieces: new Array(65_537).fill(1) }],
    ['a word instead of pieces', { type: 'lost', content: CONTENT, pieces: 'some' }],
    ['a content that is none', { type: 'leave', content: 'a.b' }],
    ['an endless content id', { type: 'leave', content: `${CONTENT}${'0'.repeat(1000)}` }],
    ['a message of the other side', { type: 'welcome', protocol: 1, supernode: 'a', beatMs: 1 }],
    ['a type that every object has', { type: 'constructor' }],
    ['no type', {}],
    ['a list as message', []],
    ['an unknown fault', { type: 'report', content: CONTENT, held: [], failed: [[1, 1, 'toString']] }],
    [
      'a shape that is not ours',
      {
        type: 'inventory',
        contents: [{ content: CONTENT, shape: { length: 1, pieceSize: 7 }, held: 'all', hasManifest: false }],
        last: true,
      },
    ],
    [
      'a bitfield that is not base64',
      {
        type: 'inventory',
        contents: [{ content: CONTENT, shape: SHAPE, held: 'äöü!', hasManifest: false }],
        last: true,
      },
    ],
  ])('refuses %s', (_, message) => {
    expect(hostCode(message)).toBe('bad-message');
  });

  it('takes an S3 place and a signature', () => {
    const s3 = { endpoint: 'http://127.0.0.1:9000', region: 'eu-central-1', pathStyle: true, anonymous: false };
    const spec = { url: 's3://bucket/key', headers: [], filter: [], s3, signature: 'X-Amz-Signature=ab%2Fc' };
    expect(hostCode({ type: 'open', request: 1, task: 'a'.repeat(64), spec })).toBe('none');
  });

  it.each([
    ['a line break in a header', { headers: [['A', 'b\r\nHost: c']] }],
    ['a header without a name', { headers: [['', 'b']] }],
    ['a header of three', { headers: [['a', 'b', 'c']] }],
    ['a scheme that is not read from', { url: 'ftp://a/etc/passwd' }],
    ['an S3 endpoint that is no address', { s3: { endpoint: 'ftp://a' } }],
    ['a user in an S3 endpoint', { s3: { endpoint: 'https://u:p@a' } }],
    ['a region that would be another host', { s3: { region: 'a.evil.example/' } }],
    ['an S3 place that is a text', { s3: 'here' }],
    ['an S3 style that is a text', { s3: { pathStyle: 'yes' } }],
    ['a signature that ends the query', { signature: 'X-Amz-Date=1#x' }],
    ['a signature with a line break', { signature: 'a\r\nHost: b' }],
    ['no URL', { url: 'nonsense' }],
    ['a digest of a wrong length', { digest: 'sha256:00' }],
    ['an upper-case digest', { digest: `md5:${'A'.repeat(32)}` }],
    ['an insecure that is a text', { insecure: 'yes' }],
    ['too many headers', { headers: new Array(200).fill(['a', 'b']) }],
  ])('refuses a task with %s', (_, change) => {
    const spec = { url: 'http://a/b', headers: [], filter: [], ...change };
    expect(hostCode({ type: 'open', request: 1, task: 'a'.repeat(64), spec })).toBe('bad-message');
  });

  it.each([
    ['a parent that is not listed', { type: 'assign', content: CONTENT, parents: [], pieces: [[0, 0, 1]] }],
    [
      'a short digest',
      { type: 'assign', content: CONTENT, parents: [{ id: 'h', ip: '::1', port: 1 }], pieces: [[0, 0, 1, 'AAAA']] },
    ],
    [
      'a parent at no address',
      { type: 'assign', content: CONTENT, parents: [{ id: 'h', ip: 'a/b', port: 1 }], pieces: [] },
    ],
    [
      'a port that is none',
      { type: 'assign', content: CONTENT, parents: [{ id: 'h', ip: 'a', port: 65536 }], pieces: [] },
    ],
    [
      'more inline bytes than allowed',
      {
        type: 'opened',
        request: 1,
        content: CONTENT,
        shape: SHAPE,
        facts: { ranges: true },
        inline: 'A'.repeat(87_388),
      },
    ],
    [
      'a status that is none',
      { type: 'refused', request: 1, fault: { code: 'timeout', message: '', sourceStatus: 1000 } },
    ],
    ['a message of the other side', { type: 'beat' }],
  ])('refuses from a supernode %s', (_, message) => {
    expect(supernodeCode(message)).toBe('bad-message');
  });

  it('does not repeat a secret in its complaint', () => {
    const message = {
      type: 'open',
      request: 1,
      task: 'a'.repeat(64),
      spec: { url: 'http://a', headers: [['Authorization', 'hunter2\n']], filter: [] },
    };
    expect(() => decodeHostMessages(JSON.stringify([message]))).toThrow(/^(?!.*hunter2)/);
  });

  it('lets a newer side say more', () => {
    expect(hostCode({ type: 'beat', mood: 'good' })).toBe('none');
  });
});

describe('a frame of bytes', () => {
  const content = CONTENT as never;
  const given = encodeGiven({ content, lease: 7 });
  const frame = (text: string, bytes: Uint8Array): Uint8Array => {
    const words = new TextEncoder().encode(text);
    return Uint8Array.from([...frameHead(words.length), ...words, ...bytes]);
  };
  const refused = (text: string, bytes: Uint8Array) => codeOf(() => decodeSupernodeBytes(frame(text, bytes)));

  it('brings its messages over in order, and the bytes with the one that gives them', () => {
    const bytes = Uint8Array.of(0, 255, 91, 123);
    const asked = { type: 'ask-manifest', content: CONTENT };
    const text = `[${JSON.stringify(asked)},${given}]`;
    expect(decodeSupernodeBytes(frame(text, bytes))).toEqual([asked, { ...JSON.parse(given), bytes }]);
  });

  it('is nothing when its bytes belong to no message or to several, are none or too many', () => {
    const one = Uint8Array.of(1);
    expect(refused('[]', one)).toBe('bad-message');
    expect(refused(`[${given},${given}]`, one)).toBe('bad-message');
    expect(refused(`[${given}]`, new Uint8Array(0))).toBe('bad-message');
    expect(refused(`[${given}]`, new Uint8Array(GIVEN_MAX_BYTES))).toBe('none');
    expect(refused(`[${given}]`, new Uint8Array(GIVEN_MAX_BYTES + 1))).toBe('bad-message');
    expect(refused('[{"type":"given","content":"x","lease":1}]', one)).toBe('bad-message');
    expect(refused(`[{"type":"given","content":"${CONTENT}","lease":-1}]`, one)).toBe('bad-message');
    expect(supernodeCode(JSON.parse(given))).toBe('bad-message');
  });

  it('makes nothing but a Fault of garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(300), (bytes, length) => {
        const garbage = Uint8Array.from([...frameHead(length), ...bytes]);
        for (const read of [splitFrame, decodeSupernodeBytes])
          for (const part of [bytes, garbage]) expect(['none', 'bad-message']).toContain(codeOf(() => read(part)));
        expect(codeOf(() => decodeSupernodeBytes(bytes))).toBe('bad-message');
      }),
    );
  });
});
