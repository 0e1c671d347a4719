/** Against stand-ins for `dfget server`: small programs that do what a test needs. */
import { type ChildProcess, fork } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { requestAgent } from './agent-request.ts';
import { agentCommand, startAgent } from './agent-start.ts';
import { parseDownloadFlags } from './flags.ts';

let home = '';
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'dfget-start-')));
});
afterEach(() => rmSync(home, { recursive: true }));

/** Notes its start, listens, and ends with the first request. */
const GOOD = `
  import { appendFileSync } from 'node:fs';
  import { createServer } from 'node:http';
  appendFileSync('starts', 'x');
  const server = createServer((_, response) => response.end('bye', () => process.exit()));
  server.listen(process.argv[2] + '/agent.sock');
`;

function writeProgram(name: string, program: string): string {
  writeFileSync(join(home, name), program);
  return join(home, name);
}

function command(program: string): [string, ...string[]] {
  return [process.execPath, writeProgram('agent.mjs', program), home];
}

/** As that process would take it. */
function takeLock(name: string, { pid = 0 }: ChildProcess): void {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  mkdirSync(join(home, 'store'), { recursive: true });
  writeFileSync(join(home, name), JSON.stringify({ pid, start, nonce: 'other' }));
}

async function stop(): Promise<void> {
  const socket = await startAgent({ home, command: command(GOOD) });
  const { lines } = await requestAgent(socket, 'POST', '/v1/stop');
  for await (const _ of lines);
}

describe('starting an agent', () => {
  it('of several at once starts one, and all get a connection', async () => {
    const start = { home, command: command(GOOD) };
    const sockets = await Promise.all([startAgent(start), startAgent(start), startAgent(start)]);
    for (const socket of sockets) socket.destroy();
    expect(readFileSync(join(home, 'starts'), 'utf8')).toBe('x');
    await stop();
  });

  it('goes on where a dfget died while it started one', async () => {
    writeFileSync(join(home, 'agent.starting'), JSON.stringify({ pid: 2 ** 22 + 1, start: '1', nonce: 'gone' }));
    const socket = await startAgent({ home, command: command(GOOD) });
    socket.destroy();
    await stop();
  });

  it('waits for another one that has the store already and is not ready yet, whatever became of its own', async () => {
    const slow = `
      import { createServer } from 'node:http';
      const server = createServer((_, response) => response.end('bye', () => process.exit()));
      process.once('message', () => server.listen(process.argv[2] + '/agent.sock'));
    `;
    const other = fork(writeProgram('other.mjs', slow), [home]);
    const refused = `
      const { writeFileSync } = await import('node:fs');
      process.on('exit', () => writeFileSync('refused', ''));
      process.exitCode = 8;
    `;
    // The other one takes the store while ours is on its way to it.
    const own = `
      import { existsSync } from 'node:fs';
      import { setTimeout } from 'node:timers/promises';
      while (!existsSync('store/lock')) await setTimeout(10);
      ${refused}
    `;
    const starting = startAgent({ home, command: command(own) });
    await expect.poll(() => existsSync(join(home, 'agent.log')), { timeout: 20_000 }).toBe(true);
    takeLock('store/lock', other);
    await expect.poll(() => existsSync(join(home, 'refused')), { timeout: 20_000 }).toBe(true);
    other.send('go on');
    const { lines } = await requestAgent(await starting, 'POST', '/v1/stop');
    for await (const _ of lines);
  }, 60_000);

  it('is taken over by who waits when the one that was at it dies', async () => {
    const other = fork(writeProgram('other.mjs', `setInterval(() => {}, 1000); process.on('message', () => {});`));
    takeLock('agent.starting', other);
    const starting = startAgent({ home, command: command(GOOD) });
    // Long enough to be seen waiting, not to give up.
    await setTimeout(300);
    expect(existsSync(join(home, 'starts'))).toBe(false);
    other.kill('SIGKILL');
    const { lines } = await requestAgent(await starting, 'POST', '/v1/stop');
    for await (const _ of lines);
    expect(readFileSync(join(home, 'starts'), 'utf8')).toBe('x');
  }, 60_000);

  it('waits until one that stops has left the store', async () => {
    const stopping = fork(writeProgram('stopping.mjs', `process.on('message', () => process.exit());`));
    takeLock('store/lock', stopping);
    const starting = startAgent({ home, command: command(GOOD) });
    await setTimeout(300);
    expect(existsSync(join(home, 'starts'))).toBe(false);
    stopping.send('go');
    const { lines } = await requestAgent(await starting, 'POST', '/v1/stop');
    for await (const _ of lines);
  }, 60_000);

  it('that fails tells its last words and keeps its exit code', async () => {
    const failing = `console.error('{"log":1}'); console.error('dfget: 1.2.3.4:5 is in use'); process.exit(2);`;
    await expect(startAgent({ home, command: command(failing) })).rejects.toMatchObject({
      code: 'usage',
      message: 'the agent did not start: 1.2.3.4:5 is in use',
    });
  });

  it('that fails without a word points to the log', async () => {
    await expect(startAgent({ home, command: command('process.exit(1)') })).rejects.toMatchObject({
      code: 'agent-unreachable',
      message: expect.stringContaining('agent.log'),
    });
  });
});

describe('the command line of an agent', () => {
  it('has what is the agent’s, and nothing of the download', () => {
    const flags = parseDownloadFlags([
      ...['-u', 'http://user:secret@a/b', '--header', 'Authorization: secret', '--identifier', 'secret'],
      ...['-n', 'a:1,b', '--ip', '10.0.0.1', '--port', '0', '--alivetime', '5m', '--totallimit', '1K', '--verbose'],
    ]);
    const all = agentCommand(flags, '/home/x/.dragonfly');
    expect(all[0]).toBe(process.execPath);
    expect(all.slice(2)).toEqual([
      ...['server', '--home=/home/x/.dragonfly', '--node=a:1', '--node=b', '--ip=10.0.0.1', '--port=0'],
      ...['--totallimit=1024', '--alivetime=300000ms', '--verbose'],
    ]);
  });
});
