/**
 * Registries that misbehave, behind dfdaemon. skopeo and podman give up at the first error of a blob, and ctr at all but
 * one kind; so the right image at the end says that dfdaemon mended what the registry did. What is permanent must come out as an
 * error, and never as wrong bytes.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isShort, lacking, titled } from '../support/client-programs.ts';
import { Containerd } from '../support/containerd.ts';
import { startDfdaemon } from '../support/dfdaemon.ts';
import { type Image, makeImage } from '../support/image.ts';
import { Lab } from '../support/lab.ts';
import { Podman } from '../support/podman.ts';
import { Registry } from '../support/registry.ts';
import type { BlobFaults } from '../support/registry-faults.ts';
import { pulledProblem, Skopeo } from '../support/skopeo.ts';

const MIB = 1024 * 1024;
const LAYERS = [8 * MIB, MIB];
/** Its first layer is too long to be proved before it goes out. */
const LONG_LAYERS = [20 * MIB, MIB];
const LONGEST_PULL_MS = 90_000;
const NAME = 'fault.test';
/** From the start of the answer, so that each try gets a little further. */
const CUT = { afterBytes: 3 * MIB, times: 1 } as const;
const CUTS = { afterBytes: MIB, times: 6 } as const;

const MENDED: Readonly<Record<string, () => BlobFaults>> = {
  'the first byte late': () => ({ late: new Promise((done) => setTimeout(done, 2000)) }),
  'RST in the middle': () => ({ cut: { how: 'rst', ...CUT } }),
  'FIN in the middle': () => ({ cut: { how: 'fin', ...CUT } }),
  'RST again and again': () => ({ cut: { how: 'rst', ...CUTS } }),
  'FIN again and again': () => ({ cut: { how: 'fin', ...CUTS } }),
  'a body that hangs': () => ({ hang: CUT }),
  '503 with Retry-After in seconds': () => ({ refuse: { status: 503, retryAfter: 'seconds', times: 2 } }),
  '503 with Retry-After as a date': () => ({ refuse: { status: 503, retryAfter: 'date', times: 2 } }),
  '429 with Retry-After in seconds': () => ({ refuse: { status: 429, retryAfter: 'seconds', times: 2 } }),
  '429 with Retry-After as a date': () => ({ refuse: { status: 429, retryAfter: 'date', times: 2 } }),
  'a redirect to a signed URL': () => ({ redirect: { uses: 100 } }),
  'a signed URL that expires in the middle': () => ({ redirect: { uses: 1 }, cut: { how: 'fin', ...CUT } }),
  'no length': () => ({ chunked: true }),
  'no length, and a cut': () => ({ chunked: true, cut: { how: 'fin', ...CUT } }),
  'no ranges': () => ({ noRanges: true }),
  'no ranges, and a cut': () => ({ noRanges: true, cut: { how: 'fin', ...CUT } }),
  'an ETag that changes': () => ({ changingEtag: true, cut: { how: 'rst', ...CUT } }),
  'a Content-Length that is too long': () => ({ lie: { bytes: 1000, times: 1 } }),
  'a Content-Length that is always too long': () => ({ lie: { bytes: 1000 } }),
  'a Content-Length that is too short': () => ({ lie: { bytes: -1000, times: 1 } }),
};
const WRONG_BYTE: BlobFaults = { corrupt: { atByte: 5 * MIB, times: 1 } };

const PERMANENT: Readonly<Record<string, { faults: BlobFaults; says?: RegExp }>> = {
  '404 for a blob': { faults: { refuse: { status: 404 } }, says: /404|not found|unknown/i },
  '403 for a blob': { faults: { refuse: { status: 403 } }, says: /403|forbidden|denied/i },
};

const CLIENTS = ['skopeo', 'podman', 'ctr'] as const;
type Client = (typeof CLIENTS)[number];
/** The registry that sends this client a wrong byte in a short layer. */
const shortOf = (client: Client): string => `short-${client}`;
const LACKS = { skopeo: lacking('skopeo'), podman: lacking('podman'), ctr: lacking('containerd', 'ctr') };

/** Nobody resumes a content whose digest came out wrong; some pull it again by themselves. */
const AFTER_WRONG_BYTE = {
  skopeo: 'with --retry-times',
  podman: 'in the one pull',
  ctr: 'at the next pull',
} as const;

/** With a supernode, or with none that answers. */
const SETTINGS = isShort ? (['swarm'] as const) : (['swarm', 'alone'] as const);

describe.each(SETTINGS)('a registry with faults, pulled from in a setting of %s', (setting) => {
  let lab: Lab;
  let registry: Registry;
  /** Those that send wrong bytes: dfdaemon remembers it of a registry, so each test has one of its own. */
  const wrongs = new Map<string, Registry>();
  let skopeo: Skopeo;
  let podman: Podman;
  let containerd: Containerd | undefined;
  let host: string;
  /** Of a dfdaemon that proves first and sends then. */
  let carefulHost: string;
  let seed = setting === 'swarm' ? 1000 : 2000;

  beforeAll(async () => {
    lab = new Lab();
    registry = await Registry.start();
    const names = ['all', ...CLIENTS, ...CLIENTS.map(shortOf)];
    for (const name of names) wrongs.set(name, await Registry.start());
    const node = setting === 'swarm' ? (await lab.supernode()).node : '127.0.0.1:1';
    const named = [[NAME, registry] as const, ...[...wrongs].map(([name, one]) => [`${name}.${NAME}`, one] as const)];
    const registries = named.map(([name, { url }]) => ({ host: name, remote: url }));
    // Not the pace of this machine is to decide whether a short layer is proved.
    const settings = { registries, stall: '3s', proveWithin: '80s' };
    host = (await startDfdaemon(lab, '127.0.0.2', node, settings)).host;
    carefulHost = (await startDfdaemon(lab, '127.0.0.3', node, { ...settings, proveFirst: true })).host;
    skopeo = new Skopeo(lab.folder);
    podman = new Podman(lab.folder);
    if (LACKS.ctr === undefined) containerd = await Containerd.start(lab.folder);
  });
  afterAll(async () => {
    await podman?.close();
    await containerd?.close();
    for (const one of [registry, ...wrongs.values()]) await one?.close();
    await lab?.close();
  });

  /** A new image, whose large layer misbehaves. */
  function publish(tag: string, faults: BlobFaults, where = registry, layers = LAYERS): Image {
    const image = makeImage({ layers, seed: ++seed });
    where.add('a/b', tag, image);
    const large = [...image.blobs.values()].find(({ bytes }) => bytes.length > 4 * MIB);
    where.misbehave(large?.digest ?? '', faults);
    return image;
  }

  type Where = { readonly host?: string; readonly name?: string; readonly retries?: number };

  /** What the client said, and what is wrong with what arrived. */
  async function pull(client: Client, tag: string, image: Image, where: Where = {}) {
    const reference = `${where.host ?? host}/${where.name ?? NAME}/a/b:${tag}`;
    if (client === 'skopeo') {
      const access = { insecure: true, retries: where.retries ?? 0 };
      const { code, stderr, folder } = await skopeo.pull(reference, access, LONGEST_PULL_MS);
      return { code, said: stderr, problem: code === 0 ? pulledProblem(folder, image) : undefined };
    }
    if (client === 'podman') {
      const { code, stderr, home } = await podman.pull(reference, { insecure: true });
      return { code, said: stderr, problem: code === 0 ? await podman.problem(home, image) : undefined };
    }
    if (containerd === undefined) throw new Error('no containerd');
    const { code, stderr, namespace } = await containerd.pull(reference, { plainHttp: true }, LONGEST_PULL_MS);
    return { code, said: stderr, problem: code === 0 ? await containerd.problem(namespace, image) : undefined };
  }

  function wrong(name: string): { readonly registry: Registry; readonly name: string } {
    const found = wrongs.get(name);
    if (found === undefined) throw new Error(`no registry ${name}`);
    return { registry: found, name: `${name}.${NAME}` };
  }

  for (const client of CLIENTS)
    describe.skipIf(LACKS[client] !== undefined)(titled(client, LACKS[client]), () => {
      let count = 0;
      const tag = () => `${client}-${++count}`;

      for (const [fault, faults] of Object.entries(MENDED))
        test(`ends with the right image after: ${fault}`, async () => {
          const name = tag();
          const image = publish(name, faults());
          expect(await pull(client, name, image)).toMatchObject({ code: 0, problem: undefined });
        });

      test('ends with the right image when HEAD is answered with 405', async () => {
        const name = tag();
        const image = publish(name, {});
        registry.refusesHeads = true;
        const { code, said, problem } = await pull(client, name, image);
        registry.refusesHeads = false;
        expect({ code, said, problem }).toMatchObject({ code: 0, problem: undefined });
      });

      test('ends with the right image after a wrong byte, where dfdaemon proves first and sends then', async () => {
        const { registry: where, name } = wrong('all');
        const image = publish(tag(), WRONG_BYTE, where);
        const pulled = await pull(client, `${client}-${count}`, image, { host: carefulHost, name });
        expect(pulled, pulled.said).toMatchObject({ code: 0, problem: undefined });
      });

      test('ends with the right image after a wrong byte of a short layer', async () => {
        const { registry: where, name } = wrong(shortOf(client));
        const image = publish(tag(), WRONG_BYTE, where);
        const pulled = await pull(client, `${client}-${count}`, image, { name });
        expect(pulled, pulled.said).toMatchObject({ code: 0, problem: undefined });
      });

      // What was wrong is out before anybody can know it: the answer is cut, and nothing of it is kept.
      test(`ends with the right image after a wrong byte of a long layer, ${AFTER_WRONG_BYTE[client]}`, async () => {
        const { registry: where, name } = wrong(client);
        const image = publish(tag(), WRONG_BYTE, where, LONG_LAYERS);
        const again = () => pull(client, `${client}-${count}`, image, { name, retries: 2 });
        const first = await again();
        // Where the wrong byte was known before it was out, ctr's first pull ends right as well.
        const outcome = client === 'ctr' && first.code !== 0 ? await again() : first;
        expect(outcome).toMatchObject({ code: 0, problem: undefined });
        // The registry is known now: the next wrong byte costs nobody anything.
        const next = publish(tag(), WRONG_BYTE, where, LONG_LAYERS);
        const pulled = await pull(client, `${client}-${count}`, next, { name });
        expect(pulled).toMatchObject({ code: 0, problem: undefined });
      });

      test('ends with an error after a wrong byte every time', async () => {
        const { registry: where, name } = wrong('all');
        const image = publish(tag(), { corrupt: { atByte: 5 * MIB } }, where);
        for (const from of [host, carefulHost]) {
          const { code } = await pull(client, `${client}-${count}`, image, { host: from, name });
          expect(code).toBeGreaterThan(0);
        }
      });

      for (const [fault, { faults, says }] of Object.entries(PERMANENT))
        test(`ends with an error after: ${fault}`, async () => {
          const name = tag();
          const { code, said } = await pull(client, name, publish(name, faults));
          expect(code).toBeGreaterThan(0);
          if (says !== undefined) expect(said).toMatch(says);
        });

      test("ends with the registry's error for a manifest that is not there", async () => {
        const { code, said } = await pull(client, 'none', publish(tag(), {}));
        expect(code).toBeGreaterThan(0);
        expect(said).toMatch(/not found|unknown|404/i);
      });
    });
});
