/** Buckets, repositories and index pages with real processes: single objects, and whole trees of them. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download } from '../support/download.ts';
import { freePort } from '../support/free-port.ts';
import { TestHub } from '../support/hf.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { Nginx, nginxPath } from '../support/nginx.ts';
import type { Ended } from '../support/process.ts';
import { TestS3 } from '../support/s3.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

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
  supernode = await lab.supernode();
  agents = [await lab.agent('127.0.0.2', supernode.node), await lab.agent('127.0.0.3', supernode.node)];
});
afterAll(async () => {
  await lab.close();
  await Promise.all([closed.close(), hub.close()]);
});

function contentOf(name: string): Buffer {
  return new Sample(300_000 + name.length, name.length).read(0, 300_000 + name.length);
}

function agent(): Agent {
  const [found] = agents;
  if (found === undefined) throw new Error('there is no agent');
  return found;
}

function both(url: string, name: string, ...flags: string[]) {
  return Promise.all(agents.map((each) => download(lab, each, url, lab.path(`${name}-${each.name}`), ...flags)));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

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

  it('is read with the supernode’s own keys, for hosts that have none', { timeout: 120_000 }, async () => {
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

  it('goes on where it was when dfget is killed in the middle: what was read is not read again', async () => {
    const until = Promise.withResolvers<void>();
    const names = ['cut/first.bin', 'cut/middle.bin', 'cut/other.bin'];
    for (const name of names)
      source.serve(name, 6 * MIB, name.includes('middle') ? { pause: { atByte: 3 * MIB, until: until.promise } } : {});
    const folder = lab.path('cut-tree');
    const killed = lab.dfget(agent().home, '-r', '-u', `${source.url}/cut/`, '-o', folder, '--json');
    await killed.until((said) => said.split('"type":"done"').length > 2);
    await killed.kill();
    until.resolve();
    const ended = await tree(`${source.url}/cut/`, folder);
    expect(ended.code, ended.stderr).toBe(0);
    expect(found(folder)).toEqual(['first.bin', 'middle.bin', 'other.bin']);
    for (const name of names) {
      expect(source.count(name).bodyBytes).toBe(6 * MIB);
      expect(await lab.sha256(lab.path(name.replace('cut/', 'cut-tree/')))).toBe(source.sample(name).digest());
    }
  });
});
