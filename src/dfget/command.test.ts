/** The command as a process, against an agent that says what the test wants. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AgentDownloadRequest, DownloadEvent } from '../peer/engine.ts';
import type { ContentId, TaskId } from '../protocol/ids.ts';

const PROGRAM = resolve(import.meta.dirname, '..', '..', 'bin', 'dfget.mjs');
const URL = 'http://source.example/dir/file.bin';

type Ended = { code: number | null; stdout: string; stderr: string };

let home = '';
let agent: Server | undefined;
let asked: { method: string; url: string; text: string }[] = [];

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'dfget-command-')));
  asked = [];
});
afterEach(() => {
  agent?.closeAllConnections();
  agent?.close();
  agent = undefined;
  rmSync(home, { recursive: true });
});

function startAgent(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<unknown> {
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const part of request) text += part;
    asked.push({ method: request.method ?? '', url: request.url ?? '', text });
    answer(request, response);
  });
  agent = server;
  server.listen(join(home, 'agent.sock'));
  return once(server, 'listening');
}

function dfget(...args: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: home,
    env: { XDG_CACHE_HOME: tmpdir(), ...process.env, HOME: home },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return { child, ended: once(child, 'close').then(([code]) => ({ code, stdout, stderr })) };
}

const counts = { length: 10, done: 10, fromPeers: 8, fromSupernode: 2, fromSource: 0, fromDisk: 0 };
const content = 'c' as ContentId;
const OPENED: DownloadEvent = { type: 'opened', task: 't' as TaskId, content, length: 10 };
const DONE: DownloadEvent = {
  type: 'done',
  result: { ...counts, content },
  output: '/out',
  by: 'link',
  millis: 12,
};

function events(response: ServerResponse, ...all: DownloadEvent[]): void {
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  response.end(all.map((event) => `${JSON.stringify(event)}\n`).join(''));
}

describe('a download', () => {
  it('is handed to the agent with all that the flags say, and its end is told', async () => {
    await startAgent((_, response) => events(response, OPENED, { type: 'progress', ...counts }, DONE));
    const { ended } = dfget(
      ...['--home', home, '-u', URL, '-o', 'out', '-n', 'a:1=2,b', '--header', 'Authorization: Bearer secret'],
      ...['--filter', 'x&y', '--md5', 'A'.repeat(32), '-s', '20M', '-e', '3m', '--notbs', '--copy', '-p', 'cdn'],
    );
    expect(await ended).toEqual({ code: 0, stdout: expect.stringContaining('saved /out: 10 B in 12 ms'), stderr: '' });
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['POST /v1/downloads']);
    expect(JSON.parse(asked[0]?.text ?? '')).toEqual({
      spec: {
        url: URL,
        headers: [['Authorization', 'Bearer secret']],
        filter: ['x', 'y'],
        digest: `md5:${'a'.repeat(32)}`,
      },
      pattern: 'cdn',
      nodes: ['a:1=2', 'b'],
      noBackToSource: true,
      localLimit: 20 * 1024 * 1024,
      timeoutMs: 180_000,
      copy: true,
      sync: true,
      output: join(home, 'out'),
    } satisfies AgentDownloadRequest);
  });

  it('shows every event as a line with --json', async () => {
    await startAgent((_, response) => events(response, OPENED, DONE));
    const { stdout } = await dfget('--home', home, '-u', URL, '--json').ended;
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([OPENED, DONE]);
  });

  it('that the source refused ends with one line and its exit code', async () => {
    const fault = { code: 'source-refused', message: 'the source answered 404', sourceStatus: 404 } as const;
    await startAgent((_, response) => events(response, { type: 'failed', fault }));
    expect(await dfget('--home', home, '-u', URL, '-o', 'new/out').ended).toEqual({
      code: 3,
      stdout: '',
      stderr: 'dfget: the source answered 404; check the URL and the credentials\n',
    });
    expect(existsSync(join(home, 'new'))).toBe(false);
  });

  it('that the agent does not take tells the agent’s reason', async () => {
    await startAgent((_, response) => {
      response.writeHead(400);
      response.end(JSON.stringify({ code: 'usage', message: 'no such pattern' }));
    });
    expect(await dfget('--home', home, '-u', URL).ended).toMatchObject({ code: 2, stderr: 'dfget: no such pattern\n' });
  });

  it('fails when the agent goes away', async () => {
    await startAgent((_, response) => {
      response.write(`${JSON.stringify(OPENED)}\n`, () => response.destroy());
    });
    expect(await dfget('--home', home, '-u', URL).ended).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the agent went away'),
    });
  });

  it('is released by Ctrl-C, with 130', async () => {
    const gone = Promise.withResolvers<void>();
    const opened = Promise.withResolvers<void>();
    await startAgent((_, response) => {
      response.on('close', gone.resolve);
      response.write(`${JSON.stringify(OPENED)}\n`, () => opened.resolve());
    });
    const { child, ended } = dfget('--home', home, '-u', URL);
    await opened.promise;
    child.kill('SIGINT');
    expect(await ended).toMatchObject({ code: 130, stderr: expect.stringContaining('interrupted') });
    await gone.promise;
  });
});

describe('a batch', () => {
  const answerAll = (answer: (item: number, file: { url: string; output: string }) => DownloadEvent[]) =>
    startAgent((_, response) => {
      const { files } = JSON.parse(asked.at(-1)?.text ?? '') as { files: { url: string; output: string }[] };
      response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      const lines = files.flatMap((file, item) => answer(item, file).map((event) => ({ item, ...event })));
      response.end(lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
    });

  it('goes to the agent in portions; what is common is said once', async () => {
    await answerAll(() => [OPENED, DONE]);
    const list = Array.from({ length: 300 }, (_, index) => `http://a/${index} out/${index}`).join('\n');
    writeFileSync(join(home, 'list'), list);
    const { ended } = dfget('--home', home, '--input-file', 'list', '--header', 'A: b', '--no-sync');
    expect(await ended).toEqual({
      code: 0,
      stdout: expect.stringContaining('saved 300 of 300 files: 2.9 KiB'),
      stderr: '',
    });
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(Array(2).fill('POST /v1/batches'));
    const bodies = asked.map(({ text }) => JSON.parse(text));
    expect(bodies[0]).toMatchObject({ spec: { headers: [['A', 'b']], filter: [] }, pattern: 'p2p', sync: false });
    const files = bodies.flatMap((body) => body.files).sort((a, b) => a.url.localeCompare(b.url));
    expect(files[1]).toEqual({ url: 'http://a/1', output: join(home, 'out', '1') });
    expect(files).toHaveLength(300);
  });

  it('tells each failure by its file, and ends with the highest exit code', async () => {
    const faults = { b: { code: 'source-refused', message: 'no' }, c: { code: 'no-space', message: 'full' } } as const;
    await answerAll((_, { url }) => {
      const fault = faults[url.at(-1) as 'b' | 'c'];
      return fault === undefined ? [OPENED, DONE] : [{ type: 'failed', fault }];
    });
    const files = ['a', 'b', 'c'].flatMap((name) => ['-u', `http://s/${name}`, '-o', `${name}.out`]);
    const end = await dfget('--home', home, ...files).ended;
    expect(end.code).toBe(6);
    expect(end.stderr.split('\n')).toEqual([
      expect.stringContaining(`dfget: ${join(home, 'b.out')}: no`),
      expect.stringContaining(`dfget: ${join(home, 'c.out')}: full`),
      '',
    ]);
    expect(end.stdout).toContain('saved 1 of 3 files');
    expect(end.stdout).toContain('2 failed');
  });

  it('names the file in every event of --json', async () => {
    await answerAll(() => [OPENED, DONE]);
    const { stdout } = await dfget('--home', home, '-u', 'http://s/a', '-u', 'http://s/b', '--json').ended;
    const events = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events.slice(0, 2)).toEqual([
      { file: join(home, 'a'), ...OPENED },
      { file: join(home, 'a'), ...DONE },
    ]);
    expect(events.at(-1)).toMatchObject({ type: 'summary', files: 2, saved: 2, failed: 0, bytes: 20 });
  });

  it('a file with an impossible place fails alone, two files for one place are a mistake', async () => {
    await answerAll(() => [OPENED, DONE]);
    const files = ['-u', 'http://s/a', '-o', '/dev/null', '-u', 'http://s/b', '-o', 'b'];
    expect(await dfget('--home', home, ...files).ended).toMatchObject({
      code: 8,
      stdout: expect.stringContaining('saved 1 of 2 files'),
    });
    expect(await dfget('--home', home, '-u', 'http://s/a', '-u', 'http://t/a').ended).toMatchObject({ code: 2 });
  });

  it('fails when the agent goes away in the middle', async () => {
    await startAgent((_, response) => {
      response.write(`${JSON.stringify({ item: 0, ...DONE })}\n`, () => response.destroy());
    });
    const end = await dfget('--home', home, '-u', 'http://s/a', '-u', 'http://s/b', '-o', 'n/a', '-o', 'n/b').ended;
    expect(end).toMatchObject({ code: 1, stderr: expect.stringContaining('the agent went away') });
  });
});

describe('what is wrong from the start', () => {
  it.each([
    [['-u', 'ftp://a/b'], 2, 'has the scheme ftp'],
    [['-u', URL, '--bogus'], 2, 'unknown flag --bogus'],
    [['-u', URL, '-s', 'fast'], 2, '-s wants a size'],
    [['-u', URL, '-o', '/'], 8, 'is a directory'],
    [['-u', URL, '--cacerts', '/nowhere.pem'], 2, '--cacerts /nowhere.pem cannot be read'],
    [['-u', URL, '--config', '/nowhere.yml'], 2, 'there is no configuration file /nowhere.yml'],
    [['-u', URL, '--home', `/tmp/${'x'.repeat(120)}`], 2, 'is too long'],
  ])('%j ends before an agent is asked for', async (args, code, message) => {
    const end = await dfget(...args).ended;
    expect(end).toMatchObject({ code, stdout: '' });
    expect(end.stderr).toContain(message);
    expect(end.stderr.trim().split('\n')).toHaveLength(1);
    expect(existsSync(join(home, '.dragonfly'))).toBe(false);
  });

  it('a home that is a file is named', async () => {
    writeFileSync(join(home, 'file'), '');
    expect(await dfget('-u', URL, '--home', join(home, 'file')).ended).toMatchObject({ code: 8 });
  });
});

describe('other commands', () => {
  it('version and help go without an agent', async () => {
    expect((await dfget('version').ended).stdout).toMatch(/^dfget \d+\.\d+\.\d+\n$/);
    expect((await dfget('--help').ended).stdout).toContain('--locallimit');
    expect((await dfget().ended).code).toBe(2);
  });

  it('stop asks the agent to end', async () => {
    await startAgent((_, response) => response.end('{}'));
    expect(await dfget('stop', '--home', home).ended).toMatchObject({ code: 0 });
    expect(asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['POST /v1/stop']);
  });

  it('stop without an agent has nothing to do', async () => {
    expect(await dfget('stop', '--home', home).ended).toMatchObject({ code: 0, stdout: `no agent runs in ${home}\n` });
  });
});

it('says all that it has to say through a pipe that takes less than that at once', async () => {
  const name = 'x'.repeat(120_000);
  const child = spawn('sh', ['-c', '"$0" "$@" 2>&1 | cat', process.execPath, PROGRAM, name], {
    env: { XDG_CACHE_HOME: tmpdir(), ...process.env, HOME: home },
  });
  let said = 0;
  child.stdout.on('data', (data: Buffer) => {
    said += data.length;
  });
  await once(child, 'close');
  expect(said).toBeGreaterThan(name.length);
});
