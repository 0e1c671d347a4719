import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Fault } from '../protocol/faults.ts';
import { FreshFiles } from './fresh-files.ts';

let folder: string;
let faults: Fault[];
const open = () => FreshFiles.open(join(folder, 'ledger'), (fault) => faults.push(fault));
const inFolder = async (name: string) => {
  await mkdir(join(folder, name), { recursive: true });
  return join(folder, name);
};

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragonfly-fresh-'));
  faults = [];
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('a file is made beside its place, and a clean end leaves no ledger', async () => {
  const out = await inFolder('out');
  const files = await open();
  const seen = await files.use(join(out, 'a'), async (fresh) => {
    await writeFile(fresh, 'x');
    expect(await readFile(join(folder, 'ledger'), 'utf8')).toContain(JSON.stringify(out));
    await rename(fresh, join(out, 'a'));
    return fresh;
  });
  expect(seen).toMatch(/\/out\/\.a\.[0-9a-f]{12}[0-9a-z]+\.dfget$/);
  expect(await readdir(out)).toEqual(['a']);
  await files.close();
  expect(await readdir(folder)).toEqual(['out']);
  expect(faults).toEqual([]);
});

test('what a failed work left is removed, and its error is told', async () => {
  const out = await inFolder('out');
  const files = await open();
  const failing = files.use(join(out, 'a'), async (fresh) => {
    await writeFile(fresh, 'x');
    throw new Error('first');
  });
  await expect(failing).rejects.toThrow('first');
  expect(await readdir(out)).toEqual([]);
  await files.close();
});

test('the next life removes what a killed process left, and nothing else', async () => {
  const out = await inFolder('out');
  const others = ['a', '.a.dfget', '.a.0123456789abcdef.dfget', '.a.0123456789ab1.dfget.bak'];
  for (const name of others) await writeFile(join(out, name), 'x');
  const program = `
    import { writeFileSync } from 'node:fs';
    import { FreshFiles } from ${JSON.stringify(join(import.meta.dirname, 'fresh-files.ts'))};
    const files = await FreshFiles.open(${JSON.stringify(join(folder, 'ledger'))}, console.error);
    let made = 0;
    const make = (name) => files.use(${JSON.stringify(`${out}/`)} + name, async (fresh) => {
      writeFileSync(fresh, 'x');
      if (++made === 2) console.log('made');
      return new Promise(() => setInterval(() => undefined, 1000));
    });
    make('a');
    make('b'.repeat(250));
  `;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(await readdir(out)).toHaveLength(others.length + 2);

  const files = await open();
  // One that this life makes before the sweep has come round.
  await files.use(join(out, 'c'), async (fresh) => {
    await writeFile(fresh, 'x');
    await files.swept();
    await rename(fresh, join(out, 'c'));
  });
  expect((await readdir(out)).toSorted()).toEqual([...others, 'c'].toSorted());
  await files.close();
  expect(await readdir(folder)).toEqual(['out']);
  expect(faults).toEqual([]);
});

test('folders of a life that ended before it swept are swept by the one after it', async () => {
  const [one, two] = [await inFolder('one'), await inFolder('two')];
  const never = new Promise<void>(() => undefined);
  const first = await open();
  const made = Promise.withResolvers<void>();
  void first.use(join(one, 'a'), async (fresh) => {
    await writeFile(fresh, 'x');
    made.resolve();
    await never;
  });
  await made.promise;
  const left = await readdir(one);
  // The second life adds a line of its own before it has swept, as one that is killed early.
  const ledger = await readFile(join(folder, 'ledger'), 'utf8');
  await writeFile(join(folder, 'ledger'), `${ledger}${JSON.stringify(['0123456789ab', two])}\n["torn`);
  await writeFile(join(two, '.b.0123456789abz.dfget'), 'x');
  const third = await open();
  await third.swept();
  expect(left).toHaveLength(1);
  expect(await readdir(one)).toEqual([]);
  expect(await readdir(two)).toEqual([]);
  await third.close();
});

test('the ledger stays short, and keeps the folders in which something is being made', async () => {
  const busy = await inFolder('busy');
  const files = await open();
  const { promise, resolve } = Promise.withResolvers<void>();
  const making = files.use(join(busy, 'a'), () => promise);
  for (let n = 0; n < 1000; n++) await files.use(join(folder, `f${n}`, 'x'), async () => undefined);
  const lines = (await readFile(join(folder, 'ledger'), 'utf8')).trim().split('\n');
  expect(lines.length).toBeLessThanOrEqual(257);
  expect(lines.some((line) => line.includes(JSON.stringify(busy)))).toBe(true);
  resolve();
  await making;
  await files.close();
});

test('a ledger that cannot be written costs tidiness alone', async () => {
  const out = await inFolder('out');
  const files = await FreshFiles.open(join(folder, 'no', 'ledger'), (fault) => faults.push(fault));
  await files.use(join(out, 'a'), async (fresh) => {
    await writeFile(fresh, 'x');
    await rename(fresh, join(out, 'a'));
  });
  expect(await readdir(out)).toEqual(['a']);
  expect(faults.map(({ code }) => code)).toEqual(['local-io']);
});
