/** Every kind of source, and every way in which one misbehaves, with real processes: what arrives is right, or is a clear fault. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download, type Outcome, startDownload } from '../support/download.ts';
import { TestHub } from '../support/hf.ts';
import { type Agent, freePort, Lab, type Supernode } from '../support/lab.ts';
import { Nginx, nginxPath } from '../support/nginx.ts';
import type { Ended } from '../support/process.ts';
import { TestS3 } from '../support/s3.ts';
import { Sample } from '../support/sample.ts';
import { type Misbehaviour, TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;
const KEYS = { AKIATEST: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCY' };
const TOKEN = 'hf_secret_token';
const OBJECTS = ['tree/a.txt', 'tree/b.bin', 'tree/sub/c.bin', 'tree/sub/deep/d e+f.txt', 'other'];

let lab: Lab;
let source: TestSource;
let closed: TestS3;
let hub: TestHub;
let supernode: Supernode;
let agents: Agent[];

/** The caller's environment must not reach into the tests. */
const NO_KEYS = { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_PROFILE: '', AWS_REGION: '', HF_TOKEN: '' };

beforeAll(async () => {
  lab = new Lab();
  source = await lab.source();
  [closed, hub] = [await TestS3.start({ keys: KEYS, region: 'eu-central-1', pageSize: 2 }), await TestHub.start(TOKEN)];
  for (const key of OBJECTS) closed.put('bucket', key, contentOf(key));
  for (const name of ['config.json', 'model-1.bin', 'sub/model-2.bin'])
    hub.put(name, { data: contentOf(name), large: name.endsWith('.bin') });
  Object.assign(process.env, { ...NO_KEYS, HF_ENDPOINT: hub.endpoint, HOME: lab.folder });
  mkdirSync(lab.path('files', 'sub'), { recursive: true });
  writeFileSync(lab.path('supernode.yml'), 'sourceStallTime: 1s\nfailAccessInterval: 1s\n');
  supernode = await lab.supernode(undefined, '--file-roots', lab.path('files'));
  agents = [await lab.agent('127.0.0.2', supernode.node), await lab.agent('127.0.0.3', supernode.node)];
});
afterAll(async () => {
  await lab.close();
  await Promise.all([closed.close(), hub.close()]);
});

function contentOf(name: string): Buffer {
  return new Sample(300_000 + name.length, name.length).read(0, 300_000 + name.length);
}

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
  it.each(strange)('that %s is read all the same, once for all', { timeout: 60_000 }, async (title, faults) => {
    const name = title.replaceAll(/\W+/g, '-');
    const sample = new Sample(5 * MIB + 77, title.length);
    const url = source.serve(name, sample, faults);
    await expectCopies(await both(url, name), name, sample);
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

  it('is read by several ranges when the operator says so, and no byte twice', async () => {
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

/** Runs dfget with a batch and gives what it said as JSON. */
async function tree(url: string, folder: string, ...flags: string[]) {
  const ended: Ended = await lab.dfget(
    agent().home,
    '--recursive',
    '--url',
    url,
    '--output',
    folder,
    '--json',
    ...flags,
  ).ended;
  const events = ended.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));
  return { ...ended, events, summary: events.find(({ type }) => type === 'summary') };
}

function found(folder: string): string[] {
  return existsSync(folder)
    ? filesBelow(folder)
        .map((file) => relative(folder, file))
        .sort()
    : [];
}

describe('a bucket', () => {
  const withKeys = { AWS_ACCESS_KEY_ID: 'AKIATEST', AWS_SECRET_ACCESS_KEY: KEYS.AKIATEST, AWS_REGION: 'eu-central-1' };
  const flags = [
    '--s3-endpoint',
    '',
    '--s3-access-key-id',
    'AKIATEST',
    '--s3-secret-access-key',
    KEYS.AKIATEST,
    '--s3-region',
    'eu-central-1',
  ];
  beforeAll(() => {
    flags[1] = closed.endpoint;
  });

  it('is read once for all hosts in the name of the caller, whose keys stay with him', async () => {
    const outcomes = await both('s3://bucket/tree/b.bin', 'object', ...flags);
    for (const outcome of outcomes) expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
    for (const { name } of agents)
      expect(readFileSync(lab.path(`object-${name}`)).equals(contentOf('tree/b.bin'))).toBe(true);
    expect(closed.bytesOf('bucket', 'tree/b.bin')).toBe(contentOf('tree/b.bin').length);
    const said = [supernode.running.said, await (await fetch(`http://${supernode.node}/v1/tasks`)).text()];
    for (const text of [...said, ...agents.map((each) => lab.logOf(each))])
      expect(text).not.toMatch(/wJalr|X-Amz-Signature/);
  });

  it('is refused to one without keys, and to one whose keys are wrong', async () => {
    const none = await download(lab, agent(), 's3://bucket/other', lab.path('none'), '--s3-endpoint', closed.endpoint);
    expect(none).toMatchObject({ code: 3, fault: { sourceStatus: 403 } });
    const wrong = await download(
      lab,
      agent(),
      's3://bucket/other',
      lab.path('none'),
      ...flags,
      '--s3-secret-access-key',
      'x',
    );
    expect(wrong).toMatchObject({ code: 3, fault: { sourceStatus: 403 } });
  });

  it('is read with the supernode’s own keys, for hosts that have none', async () => {
    const lone = new Lab();
    try {
      for (const [name, value] of Object.entries(withKeys)) process.env[name] = value;
      const owner = await lone.supernode(undefined, '--s3-endpoint', closed.endpoint);
      for (const name of Object.keys(withKeys)) process.env[name] = '';
      const host = await lone.agent('127.0.0.13', owner.node);
      const outcome = await download(lone, host, 's3://bucket/other', lone.path('other'));
      expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
      expect(readFileSync(lone.path('other')).equals(contentOf('other'))).toBe(true);
    } finally {
      for (const name of Object.keys(withKeys)) process.env[name] = '';
      await lone.close();
    }
  });

  it('gives a whole prefix, with one summary, and again from the own disk', async () => {
    const folder = lab.path('bucket-tree');
    const first = await tree('s3://bucket/tree/', folder, ...flags);
    expect(first.code, first.stderr).toBe(0);
    expect(found(folder)).toEqual(['a.txt', 'b.bin', 'sub/c.bin', 'sub/deep/d e+f.txt']);
    for (const name of found(folder))
      expect(readFileSync(join(folder, name)).equals(contentOf(`tree/${name}`))).toBe(true);
    expect(first.summary).toMatchObject({ files: 4, saved: 4, failed: 0 });
    const again = await tree('s3://bucket/tree/', folder, ...flags);
    expect(again.summary).toMatchObject({ saved: 4, fromPeers: 0, fromSupernode: 0, fromSource: 0 });
  });

  it('gives only what is included and not excluded', async () => {
    const folder = lab.path('some');
    const ended = await tree(
      's3://bucket/tree',
      folder,
      ...flags,
      '--include',
      '*.bin',
      '--include',
      'sub/**',
      '--exclude',
      'c.*',
    );
    expect(ended.code, ended.stderr).toBe(0);
    expect(found(folder)).toEqual(['b.bin', 'sub/deep/d e+f.txt']);
  });

  it('with a name that leads out of the folder loses that file alone', async () => {
    for (const key of ['evil/../../escape', 'evil/good', 'evil//empty']) closed.put('bucket', key, Buffer.from(key));
    const ended = await tree('s3://bucket/evil', lab.path('evil'), ...flags);
    expect(ended.code).toBe(9);
    expect(ended.summary).toMatchObject({ saved: 1, failed: 2 });
    expect(found(lab.path('evil'))).toEqual(['good']);
    expect(existsSync(lab.path('escape'))).toBe(false);
  });

  it('with nothing below the prefix, or none at all, is an error in one line', async () => {
    for (const [url, code] of [
      ['s3://bucket/nothing/', 2],
      ['s3://no-bucket/x', 3],
    ] as const) {
      const ended = await tree(url, lab.path('nothing'), ...flags);
      expect(ended.code).toBe(code);
      expect(ended.stderr.trim().split('\n')).toHaveLength(1);
      expect(existsSync(lab.path('nothing'))).toBe(false);
    }
  });
});

describe('a repository', () => {
  it('gives a file, and all files of one commit, with the token of the caller', async () => {
    process.env.HF_TOKEN = TOKEN;
    try {
      const outcome = await download(lab, agent(), 'hf://owner/model/config.json', lab.path('config.json'));
      expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
      const folder = lab.path('model');
      const all = await tree('hf://owner/model', folder);
      expect(all.code, all.stderr).toBe(0);
      expect(found(folder)).toEqual(['config.json', 'model-1.bin', 'sub/model-2.bin']);
      for (const name of found(folder)) expect(readFileSync(join(folder, name)).equals(contentOf(name))).toBe(true);
      const large = all.events.find(({ type, file }) => type === 'done' && file.endsWith('model-1.bin'));
      expect(large.result.digest).toBe(`sha256:${createHash('sha256').update(contentOf('model-1.bin')).digest('hex')}`);
      expect(hub.leaked).toBe(false);
    } finally {
      process.env.HF_TOKEN = '';
    }
    const stranger = await tree('hf://owner/model', lab.path('stranger'));
    expect(stranger).toMatchObject({ code: 3 });
  });
});

describe('an index page', () => {
  const names = ['pub/a.iso', 'pub/sub/b%20c.iso', 'pub/sub/bad.iso', 'pub/sub/deep/d.txt'];

  it('gives the whole tree below it; one file that fails does not stop the others', async () => {
    for (const name of names) source.serve(name, 200_000, name.includes('bad') ? { status: 403 } : {});
    const ended = await tree(`${source.url}/pub/`, lab.path('pub'));
    expect(ended.code).toBe(3);
    expect(ended.summary).toMatchObject({ files: 4, saved: 3, failed: 1 });
    expect(found(lab.path('pub'))).toEqual(['a.iso', 'sub/b c.iso', 'sub/deep/d.txt']);
    const text = await lab.dfget(
      agent().home,
      '-r',
      '-u',
      `${source.url}/pub`,
      '-o',
      lab.path('text'),
      '--exclude',
      '*bad*',
    ).ended;
    expect(text).toMatchObject({ code: 0, stderr: '' });
    expect(text.stdout.trim().split('\n').at(-1)).toMatch(/^saved 3 of 3 files: 586 KiB in /);
  });

  it.skipIf(nginxPath === undefined)('of nginx is understood (needs nginx)', async () => {
    const nginx = await Nginx.start(lab.path('nginx'), '127.0.0.1', await freePort('127.0.0.1'), 'autoindex on;');
    try {
      const sample = new Sample(MIB, 12);
      for (const name of ['a.bin', 'b & c\'s "d"<e>.bin', 'sub/ü %.bin']) nginx.serve(`tree/${name}`, sample);
      const ended = await tree(`${nginx.url}/tree/`, lab.path('nginx-tree'));
      expect(ended.code, ended.stderr).toBe(0);
      expect(found(lab.path('nginx-tree'))).toEqual(['a.bin', 'b & c\'s "d"<e>.bin', 'sub/ü %.bin']);
    } finally {
      await nginx.close();
    }
  });
});
