import { afterEach, describe, expect, it } from 'vitest';
import type { LinkUser, SupernodeLink } from './supernode-link.ts';
import {
  cleanUp,
  cluster,
  expectedFor,
  type Fake,
  hostWith,
  patientHost,
  task,
  waitFor,
} from './supernodes.fixture.ts';

afterEach(cleanUp);

const user: LinkUser = { onMessage: () => undefined, onDown: () => undefined };

function openAt(link: SupernodeLink, n: number): void {
  link.open({ task: task(n), spec: { url: 'http://h/x', headers: [], filter: [] } }, user);
}

/** A host whose only supernode has just vanished, and which does not try again by itself. */
async function oneThatWent() {
  const [fake] = (await cluster(1)) as [Fake];
  const supernodes = patientHost({ firstMs: 60_000, maxMs: 60_000 }, [fake.place]);
  const link = await supernodes.pick(task(1), []);
  await fake.vanish();
  await waitFor(() => expect(link.up).toBe(false));
  return { fake, supernodes, link };
}

describe('the supernodes of a host', () => {
  it('are all of the cluster, though it was told of one: each task at the first of its order', async () => {
    const fakes = await cluster(3);
    const supernodes = hostWith(fakes[1]?.place ?? '');
    for (let n = 0; n < 12; n++) {
      const link = await supernodes.pick(task(n), []);
      expect(link.supernode).toBe(expectedFor(fakes, n)[0]?.id);
    }
    await waitFor(() => expect(fakes.map(({ sessions }) => sessions.size)).toEqual([1, 1, 1]));
  });

  it('are there for who waits as soon as one is back', async () => {
    const { fake, supernodes, link } = await oneThatWent();
    const back = supernodes.whenBack(task(1), [], AbortSignal.timeout(20_000));
    await fake.start();
    link.start();
    expect(await back).toBe(link);
  });

  it('are found by who asks in the moment after an attempt has failed', async () => {
    const { fake, supernodes, link } = await oneThatWent();
    const failed = supernodes.pick(task(1), []);
    await expect(failed).rejects.toMatchObject({ code: 'supernode-unreachable' });
    await fake.start();
    expect(await supernodes.pick(task(1), [])).toBe(link);
  });

  it('are found by who asks while an attempt fails that began before', async () => {
    const { fake, supernodes, link } = await oneThatWent();
    link.start();
    const asked = supernodes.pick(task(1), []);
    await waitFor(() => expect(link.fault?.message).toContain('ECONNREFUSED'));
    await fake.start();
    expect(await asked).toBe(link);
  });

  it('of a list that a download names are a cluster as well', async () => {
    const fakes = await cluster(3);
    const supernodes = hostWith();
    for (let n = 0; n < 6; n++) {
      const link = await supernodes.pick(task(n), [fakes[0]?.place ?? '']);
      expect(link.supernode).toBe(expectedFor(fakes, n)[0]?.id);
    }
  });

  it('one that dies is passed over at once, and has its tasks again when it is back', async () => {
    const fakes = await cluster(3);
    const supernodes = hostWith(fakes[0]?.place ?? '');
    const [first, second] = expectedFor(fakes, 1) as [Fake, Fake];
    expect((await supernodes.pick(task(1), [])).supernode).toBe(first.id);
    await waitFor(() => expect(supernodes.links.every(({ up }) => up)).toBe(true));
    await first.vanish();
    await waitFor(() => expect(supernodes.links.filter(({ up }) => up)).toHaveLength(2));
    const stand = await supernodes.pick(task(1), []);
    expect(stand.supernode).toBe(second.id);
    expect(supernodes.review(task(1), [], stand, new Set())).toBeUndefined();
    await first.start();
    await waitFor(() => expect(supernodes.links.every(({ up }) => up)).toBe(true));
    expect((await supernodes.pick(task(1), [])).supernode).toBe(first.id);
    const move = supernodes.review(task(1), [], stand, new Set());
    expect([move?.to.supernode, move?.when]).toEqual([first.id, 'settled']);
  });

  it('one that stands still is noticed while somebody waits for it', async () => {
    const fakes = await cluster(2);
    const supernodes = hostWith(fakes[0]?.place ?? '');
    const [first, second] = expectedFor(fakes, 1) as [Fake, Fake];
    const link = await supernodes.pick(task(1), []);
    await waitFor(() => expect(supernodes.links.every(({ up }) => up)).toBe(true));
    openAt(link, 1);
    first.stopReading();
    await waitFor(() => expect(link.up).toBe(false));
    expect(link.fault?.message).toContain('nothing heard');
    expect((await supernodes.pick(task(1), [])).supernode).toBe(second.id);
  });

  it('one that drains is left now, and asked only when nobody else is there', async () => {
    const fakes = await cluster(2);
    const supernodes = hostWith(fakes[0]?.place ?? '');
    const [first, second] = expectedFor(fakes, 1) as [Fake, Fake];
    const link = await supernodes.pick(task(1), []);
    await waitFor(() => expect(supernodes.links.every(({ up }) => up)).toBe(true));
    first.state = 'draining';
    first.tell();
    await waitFor(() => {
      const move = supernodes.review(task(1), [], link, new Set());
      expect([move?.to.supernode, move?.when]).toEqual([second.id, 'now']);
    });
    await second.vanish();
    await waitFor(() => expect(supernodes.links.filter(({ up }) => up)).toHaveLength(1));
    expect((await supernodes.pick(task(1), [])).supernode).toBe(first.id);
  });

  it('one that was reached by another name has one session; by its own name when that breaks', async () => {
    const fakes = await cluster(2);
    const named = fakes[0] as Fake;
    const supernodes = hostWith(`localhost:${named.port}`);
    await waitFor(() => expect(fakes.map(({ sessions }) => sessions.size)).toEqual([1, 1]));
    for (let n = 0; n < 6; n++) {
      const link = await supernodes.pick(task(n), []);
      expect(link.supernode).toBe(expectedFor(fakes, n)[0]?.id);
    }
    expect(named.sessions.size).toBe(1);
    await named.vanish();
    await named.start();
    await waitFor(() => expect(supernodes.links.find(({ place }) => place === named.place)?.up).toBe(true));
    expect(named.sessions.size).toBe(1);
  });

  it('when all are gone, those of the configuration and the last members are tried', async () => {
    const fakes = await cluster(2);
    const supernodes = hostWith(fakes[0]?.place ?? '');
    await waitFor(() => expect(fakes.map(({ sessions }) => sessions.size)).toEqual([1, 1]));
    for (const fake of fakes) await fake.vanish();
    await waitFor(() => expect(supernodes.links.some(({ up }) => up)).toBe(false));
    await expect(supernodes.pick(task(1), [])).rejects.toMatchObject({ code: 'supernode-unreachable' });
    await fakes[1]?.start();
    const link = await supernodes.whenBack(task(1), [], AbortSignal.timeout(20_000));
    expect(link.supernode).toBe(fakes[1]?.id);
  });
});
