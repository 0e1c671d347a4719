/**
 * Registries that misbehave, behind dfdaemon. skopeo gives up at the first error of a blob, and ctr at all but one kind;
 * so the right image at the end says that dfdaemon mended what the registry did. What is permanent must come out as an
 * error, and never as wrong bytes.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isShort, lacking, titled } from '../support/client-programs.ts';
import { Containerd } from '../support/containerd.ts';
import { startDfdaemon } from '../support/dfdaemon.ts';
import { type Image, makeImage } from '../support/image.ts';
import { Lab } from '../support/lab.ts';
import { Registry } from '../support/registry.ts';
import type { BlobFaults } from '../support/registry-faults.ts';
import { pulledProblem, Skopeo } from '../support/skopeo.ts';

const MIB = 1024 * 1024;
const LAYERS = [8 * MIB, MIB];
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
};

const MOST_PULLS = 4;
const SLOW_FOR_CTR = 'a Content-Length that is too long';

/**
 * The answer has begun before anybody can know that the registry lied: it is cut, a client may give up, and nothing of it
 * is kept, so that the next pull is right.
 */
const FORGOTTEN: Readonly<Record<string, BlobFaults>> = {
  'a wrong byte': { corrupt: { atByte: 5 * MIB, times: 1 } },
  [SLOW_FOR_CTR]: { lie: { bytes: 1000, times: 1 } },
  'a Content-Length that is too short': { lie: { bytes: -1000, times: 1 } },
};

const PERMANENT: Readonly<Record<string, { faults: BlobFaults; says?: RegExp }>> = {
  '404 for a blob': { faults: { refuse: { status: 404 } }, says: /404|not found|unknown/i },
  '403 for a blob': { faults: { refuse: { status: 403 } }, says: /403|forbidden|denied/i },
  'a wrong byte every time': { faults: { corrupt: { atByte: 5 * MIB } } },
  'a Content-Length that is always too long': { faults: { lie: { bytes: 1000 } } },
};

const CLIENTS = ['skopeo', 'ctr'] as const;
type Client = (typeof CLIENTS)[number];
const LACKS = { skopeo: lacking('skopeo'), ctr: lacking('containerd', 'ctr') };

/** With a supernode, or with none that answers. */
const SETTINGS = isShort ? (['swarm'] as const) : (['swarm', 'alone'] as const);

describe.each(SETTINGS)('a registry with faults, pulled from in a setting of %s', (setting) => {
  let lab: Lab;
  let registry: Registry;
  let skopeo: Skopeo;
  let containerd: Containerd | undefined;
  let host: string;
  let seed = setting === 'swarm' ? 1000 : 2000;

  beforeAll(async () => {
    lab = new Lab();
    registry = await Registry.start();
    const node = setting === 'swarm' ? (await lab.supernode()).node : '127.0.0.1:1';
    const registries = [{ host: NAME, remote: registry.url }];
    host = (await startDfdaemon(lab, '127.0.0.2', node, { registries, stall: '3s' })).host;
    skopeo = new Skopeo(lab.folder);
    if (LACKS.ctr === undefined) containerd = await Containerd.start(lab.folder);
  });
  afterAll(async () => {
    await containerd?.close();
    await registry?.close();
    await lab?.close();
  });

  /** A new image, whose large layer misbehaves. */
  function publish(tag: string, faults: BlobFaults): Image {
    const image = makeImage({ layers: LAYERS, seed: ++seed });
    registry.add('a/b', tag, image);
    const large = [...image.blobs.values()].find(({ bytes }) => bytes.length > 4 * MIB);
    registry.misbehave(large?.digest ?? '', faults);
    return image;
  }

  /** What the client said, and what is wrong with what arrived. */
  async function pull(client: Client, tag: string, image: Image) {
    const reference = `${host}/${NAME}/a/b:${tag}`;
    if (client === 'skopeo') {
      const { code, stderr, folder } = await skopeo.pull(reference, { insecure: true }, LONGEST_PULL_MS);
      return { code, said: stderr, problem: code === 0 ? pulledProblem(folder, image) : undefined };
    }
    if (containerd === undefined) throw new Error('no containerd');
    const { code, stderr, namespace } = await containerd.pull(reference, { plainHttp: true }, LONGEST_PULL_MS);
    return { code, said: stderr, problem: code === 0 ? await containerd.problem(namespace, image) : undefined };
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

      for (const [fault, faults] of Object.entries(FORGOTTEN)) {
        // ctr takes more than a minute to give up here.
        if (isShort && client === 'ctr' && fault === SLOW_FOR_CTR) continue;
        test(`ends with the right image, though not at the first pull, after: ${fault}`, async () => {
          const name = tag();
          const image = publish(name, faults);
          // A pull that comes at once may still meet the content that is being thrown away.
          let last = await pull(client, name, image);
          for (let again = 1; last.code !== 0 && again < MOST_PULLS; again++) last = await pull(client, name, image);
          expect(last).toMatchObject({ code: 0, problem: undefined });
        });
      }

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
