/** What was sent of a content before it had to be taken from its source. */
import { randomBytes } from 'node:crypto';
import { get, type IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { crc32 } from '../io/hash.ts';
import { DirectRead } from './direct-read.ts';
import type { Exchange } from './exchange.ts';
import type { OwnCredentials } from './registry/own-credentials.ts';
import { FakeRegistry } from './registry.fixture.ts';

async function readFrom(registry: FakeRegistry, blob: Buffer, sent: Buffer): Promise<Buffer> {
  const digest = registry.addBlob(blob);
  const exchange = {
    url: new URL(`http://${registry.host}/v2/r/blobs/${digest}`),
    headers: [],
    signal: new AbortController().signal,
  } as unknown as Exchange;
  const own = {
    send: ({ url }: { url: URL }) => new Promise<IncomingMessage>((resolve) => get(url, { agent: false }, resolve)),
  } as unknown as OwnCredentials;
  const read = new DirectRead({ exchange, own, digest, named: true, stallMs: 5_000, wall: Date.now });
  const parts: Uint8Array[] = [];
  for await (const part of read.bytes(sent.length, null, [{ from: 0, to: sent.length, crc: crc32(sent) }]))
    parts.push(part);
  return Buffer.concat(parts);
}

test('goes on after what was sent if that is what the source has, and gives nothing if it is not', async () => {
  const registry = await new FakeRegistry().start();
  try {
    const blob = randomBytes(300_000);
    const sent = blob.subarray(0, 123_456);
    expect((await readFrom(registry, blob, sent)).equals(blob.subarray(123_456))).toBe(true);
    const wrong = Buffer.from(sent);
    wrong[5] = (wrong[5] ?? 0) ^ 1;
    await expect(readFrom(registry, blob, wrong)).rejects.toMatchObject({ code: 'digest-mismatch' });
  } finally {
    await registry.close();
  }
});
