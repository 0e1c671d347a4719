/** dfdaemons as processes, in front of a registry that counts. */
import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { pieceSizeFor } from '../../src/protocol/piece.ts';
import { type Dfdaemon, startDfdaemon } from '../support/dfdaemon.ts';
import { makeImage, noise, sha256 } from '../support/image.ts';
import { ImageClient } from '../support/image-client.ts';
import { Lab } from '../support/lab.ts';
import { Registry } from '../support/registry.ts';
import { contentOf } from '../support/registry-faults.ts';
import { TokenServer } from '../support/registry-tokens.ts';
import { Sample } from '../support/sample.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const NAME = 'registry.test';
const TOKENS = 'tokens.test';

let lab: Lab;
let registry: Registry;
let tokens: TokenServer;
beforeEach(async () => {
  lab = new Lab();
  tokens = await TokenServer.start({ users: { robin: 'secret' }, realm: `http://${TOKENS}/token` });
});
afterEach(async () => {
  await lab.close();
  await registry.close();
  await tokens.close();
});

/** The registry under its name, as a mirror and by the proxy. */
function settings(): Record<string, unknown> {
  return {
    registries: [{ host: NAME, remote: registry.url }],
    proxies: [
      { regx: `^http://${TOKENS}/`, redirect: tokens.host, direct: true },
      { regx: `^http://${NAME}/`, redirect: registry.host },
    ],
    // A machine under load may be slow; what is counted here must not depend on it.
    stall: '2m',
  };
}

/** What a folder takes on the disk: holes in its files take nothing. */
function bytesOnDisk(folder: string): number {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.reduce((sum, entry) => sum + lstatSync(join(entry.parentPath, entry.name)).blocks * 512, 0);
}

describe('eight dfdaemons', () => {
  it('pull one image of 300 MiB at once: each blob leaves the registry once, and one token and one chain of manifests go to each client', {
    timeout: 600_000,
  }, async () => {
    registry = await Registry.start({ auth: { type: 'bearer', tokens } });
    const image = makeImage({ layers: [60, 60, 60, 60, 60].map((size) => size * MIB), seed: 8 });
    registry.add('team/app', 'v1', image);
    const { node } = await lab.supernode();
    const ips = [2, 3, 4, 5, 6, 7, 8, 9].map((last) => `127.0.0.${last}`);
    const daemons: Dfdaemon[] = [];
    for (const ip of ips) daemons.push(await startDfdaemon(lab, ip, node, settings()));
    const clients = daemons.map(
      ({ host }) => new ImageClient({ at: host, way: 'proxy', registry: NAME, credentials: 'robin:secret' }),
    );
    const pulled = await Promise.all(clients.map((client) => client.pull('team/app', 'v1')));
    for (const digests of pulled) expect(digests.toSorted()).toEqual([...image.blobs.keys()].toSorted());
    for (const [digest, { bytes }] of image.blobs)
      expect(registry.count(digest)).toMatchObject({ gets: 1, bodyBytes: bytes.length });
    // HEADs that ask again whether a client may have a blob are no part of a chain; slow machines see some.
    expect(registry.manifestReads().filter(({ method }) => method === 'GET')).toHaveLength(ips.length);
    expect(clients.map(({ tokenRequests }) => tokenRequests)).toEqual(ips.map(() => 1));
    expect(tokens.count('repository:team/app:pull')).toBe(ips.length);
  });
});

describe('one dfdaemon', () => {
  it('gives 1,000 random ranges of 64 KiB of a blob of 1 GiB, and fetches little more than their pieces', {
    timeout: 300_000,
  }, async () => {
    registry = await Registry.start();
    const sample = new Sample(1024 * MIB, 77);
    const digest = `sha256:${sample.digest()}`;
    registry.addBlob('big', digest, sample);
    const { node } = await lab.supernode();
    const { host, home } = await startDfdaemon(lab, '127.0.0.2', node, settings());
    const client = new ImageClient({ at: host, way: 'mirror', registry: NAME });
    const starts = Array.from({ length: 1000 }, (_, index) => {
      const chance = noise(6, 1000 + index).readUIntBE(0, 6) / 2 ** 48;
      return Math.floor(chance * (sample.length - 64 * KIB));
    });
    const left = [...starts];
    const work = async () => {
      for (let start = left.shift(); start !== undefined; start = left.shift()) {
        const end = start + 64 * KIB;
        const got = await client.fetch(`/v2/big/blobs/${digest}`, { range: `bytes=${start}-${end - 1}` });
        expect(got).toEqual({ status: 206, bytes: 64 * KIB, sha256: sha256(sample.read(start, end)) });
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    const pieceSize = pieceSizeFor(sample.length);
    const pieces = new Set(
      starts.flatMap((start) => [start, start + 64 * KIB - 1].map((at) => Math.floor(at / pieceSize))),
    );
    const most = 1.5 * pieces.size * pieceSize;
    // What came by the engine lies on the disk; what came past it is counted.
    const { bySource } = (await (await fetch(`http://${host}/status`)).json()) as { bySource: number };
    expect(bytesOnDisk(join(home, 'store')) + bySource).toBeLessThanOrEqual(most);
  });

  it('pulls 500 blobs, 100 in flight, from a registry with tokens: at most two token requests per scope', {
    timeout: 180_000,
  }, async () => {
    registry = await Registry.start({ auth: { type: 'bearer', tokens } });
    const { node } = await lab.supernode();
    const { host } = await startDfdaemon(lab, '127.0.0.2', node, settings());
    const blobs = Array.from({ length: 500 }, (_, index) => noise(20 * KIB + index, 5000 + index));
    const digests = blobs.map((bytes) => {
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
      registry.addBlob('many', digest, contentOf(bytes));
      return digest;
    });
    // Clients that know nothing of each other's tokens: each asks for one of its own.
    const clients: ImageClient[] = [];
    const left = [...digests];
    const work = async () => {
      for (let digest = left.shift(); digest !== undefined; digest = left.shift()) {
        const client = new ImageClient({ at: host, way: 'proxy', registry: NAME, credentials: 'robin:secret' });
        clients.push(client);
        await client.blob('many', digest);
      }
    };
    await Promise.all(Array.from({ length: 100 }, work));
    expect(clients.reduce((sum, { tokenRequests }) => sum + tokenRequests, 0)).toBe(500);
    expect(tokens.count('repository:many:pull')).toBeLessThanOrEqual(2);
    for (const digest of digests) expect(registry.count(digest).gets).toBe(1);
  });
});
