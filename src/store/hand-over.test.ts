/** Bytes that are in memory alone appear as files by way of the store, and a killed process leaves nothing beside them. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bytesOf, idOf, META, PIECE, putAll, shapeOf } from './content.fixture.ts';
import { DiskHome } from './disk-home.fixture.ts';
import { MemoryStore } from './memory-store.ts';
import type { ContentStore } from './store.ts';

const A = idOf('a');

describe.each(['disk', 'memory'])('%s store', (kind) => {
  test('bytes appear in one step, replace what was there and leave nothing beside it', async () => {
    await using home = await DiskHome.make();
    const store: ContentStore = kind === 'disk' ? home.store : new MemoryStore({ clock: home.clock });
    const outputs = home.out('outputs');
    await mkdir(outputs);
    for (const sync of [false, true]) {
      expect(await store.handOverBytes(Buffer.from(`${sync}`), join(outputs, 'out'), { sync })).toBe('copy');
      expect(await readFile(join(outputs, 'out'), 'utf8')).toBe(`${sync}`);
      expect(await readdir(outputs)).toEqual(['out']);
    }
    const nowhere = store.handOverBytes(Buffer.from('x'), home.out('no/out'), {});
    await expect(nowhere).rejects.toMatchObject({ code: 'local-io' });
  });
});

test('what a killed process was putting in place is gone after the next start', async () => {
  await using home = await DiskHome.make();
  const content = await home.store.create(A, shapeOf(PIECE), META);
  await putAll(content, bytesOf(PIECE));
  await content.handOver(home.out(), {});
  const [mark = ''] = JSON.parse(await readFile(join(home.root, 'outputs'), 'utf8')) as string[];
  const left = join(home.folder, `.out.${mark}z.dfget`);
  await writeFile(left, 'half');
  await home.crash();
  await expect.poll(() => existsSync(left)).toBe(false);
  expect(existsSync(home.out())).toBe(true);
});
