import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Fault } from '../protocol/faults.ts';
import { readBootId } from './boot-id.ts';
import {
  closeFile,
  diskFault,
  errnoOf,
  freeSpace,
  kindOf,
  listFolder,
  openForRead,
  openForUpdate,
  readSmall,
  removeFile,
  removeTree,
  stampAt,
  stampOf,
} from './disk.ts';
import { readAt, writeAt } from './file-bytes.ts';
import { LockFile } from './lock-file.ts';
import { LazyFile, OpenFiles } from './open-files.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragonfly-io-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const at = (name: string) => join(folder, name);

test('bytes written at a place are read at that place, and no more than there are', async () => {
  const fd = await openForUpdate(at('a'));
  await writeAt(fd, Buffer.from('hello'), 3, at('a'));
  const into = Buffer.alloc(10, '.');
  expect(await readAt(fd, into, 2, at('a'))).toBe(6);
  expect(into.toString()).toBe('\0hello....');
  expect(stampOf(fd, at('a')).size).toBe(8n);
  await closeFile(fd, at('a'));
  expect(() => stampOf(fd, at('a'))).toThrow(Fault);
});

test('errors of the disk say what to do', () => {
  const faultOf = (code: string) => diskFault(Object.assign(new Error('x'), { code }), 'write', 'some/path');
  expect(faultOf('ENOSPC')).toMatchObject({ code: 'no-space', message: expect.stringContaining('free some') });
  expect(faultOf('EDQUOT')).toMatchObject({ code: 'no-space', message: expect.stringContaining('quota') });
  for (const code of ['EIO', 'EROFS', 'EACCES', 'EMFILE', 'EPERM', 'ENOENT', 'EOTHER']) {
    const fault = faultOf(code);
    expect(fault.code).toBe('local-io');
    expect(fault.message).toMatch(/^cannot write some\/path: .*; /);
    expect(fault.message).not.toContain('\n');
    expect(errnoOf(fault)).toBe(code);
  }
  expect(faultOf('EOTHER').message).toContain('EOTHER');
  expect(diskFault(new Error('a defect'), 'write', 'x').code).toBe('internal');
  const fault = new Fault('timeout', 'x');
  expect(diskFault(fault, 'write', 'x')).toBe(fault);
  expect(errnoOf('text')).toBeUndefined();
});

test('what is not there is undefined, empty or removed already', async () => {
  expect(await readSmall(at('no'))).toBeUndefined();
  expect(await stampAt(at('no'))).toBeUndefined();
  expect(await kindOf(at('no'))).toBeUndefined();
  expect(await listFolder(at('no'))).toEqual([]);
  await removeFile(at('no'));
  await removeTree(at('no'));
  await expect(openForRead(at('no'))).rejects.toMatchObject({ code: 'local-io' });
});

test('the disk has some space and the machine was started once', async () => {
  const { bavail, bsize } = await freeSpace(folder);
  expect(bavail * bsize).toBeGreaterThan(0);
  expect(await readBootId()).toBe(await readBootId());
});

describe('open files', () => {
  test('are opened once and used by many at the same time', async () => {
    const files = new OpenFiles({ limit: 2, onCloseError: () => undefined });
    const file = new LazyFile(at('a'));
    const fds = await Promise.all([1, 2, 3].map(() => files.use(file, async (fd) => fd)));
    expect(new Set(fds).size).toBe(1);
    expect(files.open).toBe(1);
    await files.close();
    expect(files.open).toBe(0);
  });

  test('are opened anew when the name has another file', async () => {
    const files = new OpenFiles({ limit: 2, onCloseError: () => undefined });
    const file = new LazyFile(at('a'));
    await files.use(file, async (old) => {
      await writeAt(old, Buffer.from('old'), 0, at('a'));
      await rm(at('a'));
      await files.forget(file);
      await files.use(file, async (fresh) => {
        expect(fresh).not.toBe(old);
        await writeAt(fresh, Buffer.from('new'), 0, at('a'));
      });
    });
    expect(await readFile(at('a'), 'utf8')).toBe('new');
    // The old one is closed by the way, after its last use.
    await vi.waitFor(() => expect(files.open).toBe(1));
    await files.close();
  });

  test('that cannot be opened take no place', async () => {
    const files = new OpenFiles({ limit: 1, onCloseError: () => undefined });
    const bad = new LazyFile(at('no/a'));
    const uses = await Promise.allSettled([1, 2].map(() => files.use(bad, async () => undefined)));
    expect(uses.map((use) => use.status)).toEqual(['rejected', 'rejected']);
    expect(files.open).toBe(0);
    await files.use(new LazyFile(at('a')), async () => undefined);
    await files.close();
  });

  test('beyond the limit wait until one is free', async () => {
    const files = new OpenFiles({ limit: 2, onCloseError: () => undefined });
    let most = 0;
    await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        files.use(new LazyFile(at(`${index % 7}-${index}`)), async (fd) => {
          most = Math.max(most, files.open);
          await writeAt(fd, Buffer.from('x'), 0, 'x');
        }),
      ),
    );
    expect(most).toBe(2);
    await files.close();
    expect(files.open).toBe(0);
  });
});

describe('a lock', () => {
  test('is refused while its owner lives and free after its release', () => {
    const lock = LockFile.take(at('lock'));
    expect(() => LockFile.take(at('lock'))).toThrow(`process ${process.pid} uses it`);
    lock.release();
    LockFile.take(at('lock')).release();
  });

  test('of a dead owner is taken over, even when its process id lives again', async () => {
    const dead = [
      { pid: 2 ** 22 + 1, start: '1', nonce: 'a' },
      { pid: process.pid, start: 'another time', nonce: 'a' },
    ];
    for (const owner of dead) {
      await writeFile(at('lock'), JSON.stringify(owner));
      LockFile.take(at('lock')).release();
    }
    for (const text of ['', 'no json', '7', '{}']) {
      await writeFile(at('lock'), text);
      LockFile.take(at('lock')).release();
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test('of an owner that has ended is free, also while its parent has not taken notice', async () => {
    // The parent becomes a program that never looks at its children; the child ends when there is nothing more to read. It
    // reads 3: a shell gives /dev/null as 0 to what it starts in the background, and takes notice of what ends before `exec`.
    const script = 'exec 3<&0; cat <&3 & echo $!; exec sleep 60';
    const parent = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'ignore'] });
    const patience = { timeout: 20_000 };
    try {
      const [said] = (await once(parent.stdout, 'data')) as [Buffer];
      const pid = Number(said.toString());
      await expect.poll(() => readFile(`/proc/${parent.pid}/comm`, 'utf8'), patience).toBe('sleep\n');
      const stat = () => readFile(`/proc/${pid}/stat`, 'utf8');
      parent.stdin.end();
      await expect.poll(stat, patience).toMatch(/\) Z /);
      const start = (await stat()).split(') ')[1]?.split(' ')[19];
      await writeFile(at('lock'), JSON.stringify({ pid, start, nonce: 'a' }));
      LockFile.take(at('lock')).release();
    } finally {
      parent.kill('SIGKILL');
    }
  }, 60_000);

  test('that somebody else has taken is not released', async () => {
    const lock = LockFile.take(at('lock'));
    await writeFile(at('lock'), JSON.stringify({ pid: 1, start: '1', nonce: 'theirs' }));
    lock.release();
    expect((await stat(at('lock'))).isFile()).toBe(true);
  });

  test('whose takeover was killed in the middle is freed after a while', async () => {
    await writeFile(at('lock'), '');
    await mkdir(at('lock.takeover'));
    expect(() => LockFile.take(at('lock'))).toThrow('try again');
    await utimes(at('lock.takeover'), 1, 1);
    LockFile.take(at('lock')).release();
    expect(await readdir(folder)).toEqual([]);
  });
});

test('a lock that is swept goes when its owner has died, and stays while he lives', async () => {
  const lock = LockFile.take(at('lock'));
  LockFile.sweep(at('lock'));
  expect(LockFile.held(at('lock'))).toBe(true);
  lock.release();
  const child = spawn(process.execPath, ['-e', '']);
  await once(child, 'exit');
  await writeFile(at('lock'), JSON.stringify({ pid: child.pid, start: '1', nonce: 'x' }));
  LockFile.sweep(at('lock'));
  LockFile.sweep(at('no such folder/lock'));
  expect(await readdir(folder)).toEqual([]);
});
