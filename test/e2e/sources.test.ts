/** Every way in which a source misbehaves, with real processes: what arrives is right, or is a clear fault. */
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download, type Outcome, startDownload } from '../support/download.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';
import { type Misbehaviour, TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;
let lab: Lab;
let source: TestSource;
let supernode: Supernode;
let agents: Agent[];

beforeAll(async () => {
  lab = new Lab();
  source = await lab.source();
  mkdirSync(lab.path('files', 'sub'), { recursive: true });
  writeFileSync(lab.path('supernode.yml'), 'sourceStallTime: 1s\nfailAccessInterval: 1s\n');
  supernode = await lab.supernode(undefined, '--file-roots', lab.path('files'));
  agents = [await lab.agent('127.0.0.2', supernode.node), await lab.agent('127.0.0.3', supernode.node)];
});
afterAll(() => lab.close());

function agent(index = 0): Agent {
  const found = agents[index];
  if (found === undefined) throw new Error(`there is no agent ${index}`);
  return found;
}

async function both(url: string, name: string, ...flags: string[]): Promise<Outcome[]> {
  return Promise.all(agents.map((each) => download(lab, each, url, lab.path(`${name}-${each.name}`), ...flags)));
}

async function expectCopies(outcomes: readonly Outcome[], name: string, sample: Sample): Promise<void> {
  for (const [index, outcome] of outcomes.entries()) {
    expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    expect(await lab.sha256(lab.path(`${name}-${agent(index).name}`))).toBe(sample.digest());
  }
}

describe('an http source', () => {
  const strange: [string, Misbehaviour][] = [
    ['compresses what it has', { headers: { 'content-encoding': 'gzip' } }],
    ['gives no validator', { headers: { etag: '' } }],
    ['gives a weak ETag', { headers: { etag: 'W/"weak"' } }],
    ['gives a date alone', { headers: { etag: '', 'last-modified': 'Mon, 23 Nov 2026 00:00:00 GMT' } }],
    ['says nothing of ranges, nor of its length', { noRanges: true, chunked: true, headers: { etag: '' } }],
    ['is cut, and takes ranges', { cut: { afterBytes: 2 * MIB, times: 3 } }],
    ['is cut, and takes none', { cut: { afterBytes: 2 * MIB, times: 2 }, noRanges: true }],
    ['is cut, and gives no validator', { cut: { afterBytes: 2 * MIB, times: 2 }, headers: { etag: '' } }],
    ['goes silent', { stall: { afterBytes: 2 * MIB, times: 2 } }],
    ['fails at first', { status: 503, times: 2 }],
    ['has to rest first', { status: 429, times: 1, headers: { 'retry-after': '1' } }],
  ];
  it.each(strange)('that %s is read all the same, once for all', { timeout: 120_000 }, async (title, faults) => {
    const name = title.replaceAll(/\W+/g, '-');
    const sample = new Sample(5 * MIB + 77, title.length);
    const url = source.serve(name, sample, faults);
    await expectCopies(await both(url, name), name, sample);
  });

  /** An agent is patient with a silence, longer than a test should be. */
  const alone = strange.filter(([, { stall }]) => stall === undefined);
  it.each(alone)('that %s is read by a host alone, too', { timeout: 120_000 }, async (title, faults) => {
    const name = `alone-${title.replaceAll(/\W+/g, '-')}`;
    const sample = new Sample(5 * MIB + 77, title.length);
    const url = source.serve(name, sample, faults);
    const outcome = await download(lab, agent(), url, lab.path(name), '--pattern', 'source');
    expect(outcome, outcome.stderr).toMatchObject({ code: 0, result: { fromSource: sample.length } });
    expect(await lab.sha256(lab.path(name))).toBe(sample.digest());
  });

  it('that changes under a host that reads it alone gives the new content', { timeout: 120_000 }, async () => {
    for (const [name, faults] of [
      ['alone-changing', {}],
      ['alone-changing-silently', { headers: { etag: '' } }],
      ['alone-changing-weakly', { headers: { etag: 'W/"same"' } }],
    ] as [string, Misbehaviour][]) {
      const [old, fresh] = [new Sample(6 * MIB, 1), new Sample(6 * MIB, 2)];
      const until = Promise.withResolvers<void>();
      const cut = { afterBytes: 3 * MIB, times: 1 };
      const url = source.serve(name, old, { ...faults, pause: { atByte: 2 * MIB, until: until.promise }, cut });
      const running = startDownload(lab, agent(), url, lab.path(name), '--pattern', 'source');
      await running.reached(MIB);
      source.change(name, { sample: fresh, faults });
      until.resolve();
      const outcome = await running.ended;
      expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
      expect(await lab.sha256(lab.path(name))).toBe(fresh.digest());
    }
  });

  it('is read on from the piece that was cut, under If-Range', async () => {
    const sample = new Sample(8 * MIB, 3);
    const url = source.serve('resume', sample, { cut: { afterBytes: 3 * MIB + 5, times: 1 } });
    await expectCopies(await both(url, 'resume'), 'resume', sample);
    const { ranges, bodyBytes, headers } = source.count('resume');
    const from = Number(/^bytes=(\d+)-$/.exec(ranges[1] ?? '')?.[1]);
    expect(ranges).toHaveLength(2);
    expect(from).toBeGreaterThanOrEqual(3 * MIB - 128 * 1024);
    expect(from % (128 * 1024)).toBe(0);
    expect(headers['if-range']).toBe(`"${sample.length}-${sample.seed}"`);
    expect(bodyBytes).toBeLessThanOrEqual(sample.length + 256 * 1024);
  });

  it('that changes while it is read gives the new content, and no byte of the old one', {
    timeout: 60_000,
  }, async () => {
    for (const [name, faults] of [
      ['changing', {}],
      ['changing-silently', { headers: { etag: '' } }],
      ['changing-unheeded', { ignoresIfRange: true }],
    ] as [string, Misbehaviour][]) {
      const [old, fresh] = [new Sample(6 * MIB, 1), new Sample(6 * MIB, 2)];
      const until = Promise.withResolvers<void>();
      const url = source.serve(name, old, {
        ...faults,
        pause: { atByte: 2 * MIB, until: until.promise },
        cut: { afterBytes: 3 * MIB, times: 1 },
      });
      const running = agents.map((each) => startDownload(lab, each, url, lab.path(`${name}-${each.name}`)));
      await Promise.all(running.map((each) => each.reached(MIB)));
      source.change(name, { sample: fresh, faults });
      until.resolve();
      await expectCopies(await Promise.all(running.map((each) => each.ended)), name, fresh);
    }
  });

  it('sends on to another host, which sees no credentials', async () => {
    const elsewhere = await lab.source({ ip: '127.0.0.9' });
    const sample = new Sample(MIB, 5);
    const url = source.serve('moved', 1, { redirect: elsewhere.serve('there', sample) });
    const outcomes = await both(url, 'moved', '--header', 'Authorization: Bearer s3cr3t', '--header', 'X-Trace: 7');
    await expectCopies(outcomes, 'moved', sample);
    expect(source.count('moved').headers).toMatchObject({ authorization: 'Bearer s3cr3t', 'x-trace': '7' });
    expect(elsewhere.count('there').headers).toMatchObject({ 'x-trace': '7' });
    expect(elsewhere.count('there').headers.authorization).toBeUndefined();
  });

  it('may have an IPv6 address', async () => {
    const there = await TestSource.start({ ip: '::1' });
    try {
      const sample = new Sample(MIB, 6);
      await expectCopies(await both(there.serve('six', sample), 'six'), 'six', sample);
    } finally {
      await there.close();
    }
  });

  it('with user and password in the URL keeps them out of every log, API and file', async () => {
    const sample = new Sample(MIB, 7);
    const authorization = `Basic ${Buffer.from('user:pa$$w0rd').toString('base64')}`;
    const url = source.serve('basic', sample, { authorization }).replace('//', '//user:pa%24%24w0rd@');
    const outcomes = await both(`${url}?token=t0k3n`, 'basic');
    await expectCopies(outcomes, 'basic', sample);
    const api = await (await fetch(`http://${supernode.node}/v1/tasks`)).text();
    expect(api).toContain('/basic');
    const said = [
      supernode.running.said,
      api,
      ...outcomes.map(({ stderr }) => stderr),
      ...agents.map((each) => lab.logOf(each)),
    ];
    for (const file of filesBelow(lab.path('supernode')))
      if (!file.endsWith('data')) said.push(readFileSync(file, 'latin1'));
    for (const text of said) expect(text).not.toMatch(/w0rd|t0k3n/);
  });

  it('that fails for good is asked three times, and every host is told why', async () => {
    const url = source.serve('down', 10, { status: 503 });
    for (const outcome of await both(url, 'down'))
      expect(outcome).toMatchObject({ code: 9, fault: { code: 'source-unreachable', sourceStatus: 503 } });
    expect(source.count('down').gets).toBe(3);
  });

  it('is read by several ranges when the operator says so, and no byte twice', { timeout: 120_000 }, async () => {
    const [slow, fast] = [new Sample(40 * MIB, 8), new Sample(40 * MIB, 9)];
    const lone = new Lab();
    try {
      const parallel = await lone.supernode(undefined, '--source-connections', '4');
      const host = await lone.agent('127.0.0.12', parallel.node);
      for (const [name, sample, faults] of [
        ['limited', slow, { bytesPerSecond: 20 * MIB }],
        ['free', fast, {}],
      ] as const) {
        const outcome = await download(lone, host, source.serve(name, sample, faults), lone.path(name));
        expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
        expect(await lone.sha256(lone.path(name))).toBe(sample.digest());
        expect(source.count(name)).toMatchObject({ gets: 5, bodyBytes: sample.length });
      }
    } finally {
      await lone.close();
    }
  });
});

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('a file of the supernode', () => {
  it('reaches hosts from an allowed folder, and from no other', async () => {
    const sample = new Sample(3 * MIB, 11);
    writeFileSync(lab.path('files', 'sub', 'image one'), sample.read(0, sample.length));
    writeFileSync(lab.path('secret'), 'secret');
    symlinkSync(lab.path('secret'), lab.path('files', 'link'));
    await expectCopies(await both(`file://${lab.path('files', 'sub')}/image%20one`, 'file'), 'file', sample);
    for (const path of [
      lab.path('secret'),
      lab.path('files', 'link'),
      `${lab.path('files')}/../secret`,
      '/etc/passwd',
    ]) {
      const outcome = await download(lab, agent(), `file://${path}`, lab.path('refused'));
      expect(outcome).toMatchObject({ code: 3, fault: { code: 'source-refused', sourceStatus: 403 } });
      expect(existsSync(lab.path('refused'))).toBe(false);
    }
    const alone = await download(
      lab,
      agent(),
      `file://${lab.path('files')}/sub/image%20one`,
      lab.path('x'),
      '--pattern',
      'source',
    );
    expect(alone).toMatchObject({ code: 3 });
  });
});
