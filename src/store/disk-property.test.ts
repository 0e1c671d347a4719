/** Random lives of one content against a model: whatever happens to process, journal and file, no wrong byte leaves. */
import { appendFile, open, rm, stat, truncate, utimes } from 'node:fs/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bytesOf, idOf, META, PIECE, putPiece, shapeOf, withChange } from './content.fixture.ts';
import { DiskHome } from './disk-home.fixture.ts';
import { HEADER_BYTES } from './journal-format.ts';

const A = idOf('a');
const PIECES = 5;
const BYTES = bytesOf((PIECES - 1) * PIECE + 77);

type Step =
  | { readonly type: 'put' | 'spoil' | 'read'; readonly piece: number }
  | { readonly type: 'crash' | 'reopen' | 'reboot' | 'verify' | 'hand-over' | 'delete-output' | 'delete-data' }
  | { readonly type: 'tear'; readonly bytes: number }
  | { readonly type: 'garbage'; readonly bytes: number };

const piece = fc.nat(PIECES - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type: fc.constantFrom('put', 'put', 'spoil', 'read'), piece }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom('crash', 'reopen', 'reboot', 'verify', 'hand-over', 'delete-output', 'delete-data'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('tear'), bytes: fc.integer({ min: 1, max: 130 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('garbage'), bytes: fc.integer({ min: 1, max: 130 }) }) },
);

/** `right` = certainly there and right; `wrong` = certainly not; neither = the journal may have lost it. */
type Model = { readonly right: Set<number>; readonly wrong: Set<number>; boots: number; edits: number };

const HANDED_OUT_THEN_DELETED: Step[] = [
  ...Array.from({ length: PIECES }, (_, index): Step => ({ type: 'put', piece: index })),
  { type: 'crash' },
  { type: 'hand-over' },
  { type: 'delete-data' },
];

test('no sequence of puts, ends, tears and edits lets a wrong byte out or loses a piece without cause', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 24 }), async (steps) => {
      await using home = await DiskHome.make({ bootId: 'boot 0' });
      await (await home.store.create(A, shapeOf(BYTES.length), META)).made;
      const all = Array.from({ length: PIECES }, (_, index) => index);
      const model: Model = { right: new Set(), wrong: new Set(all), boots: 0, edits: 0 };
      for (const each of steps) {
        await run(home, model, each);
        for (const index of model.right) expect(home.content(A).held.has(index)).toBe(true);
      }
      for (const index of all) await check(home, model, index);
    }),
    { numRuns: 60, examples: [[HANDED_OUT_THEN_DELETED]] },
  );
}, 60_000);

async function run(home: DiskHome, model: Model, each: Step): Promise<void> {
  const content = home.content(A);
  switch (each.type) {
    case 'put':
      if (!content.held.has(each.piece)) {
        model.right.add(each.piece);
        model.wrong.delete(each.piece);
      }
      return putPiece(content, BYTES, each.piece);
    case 'read':
      return check(home, model, each.piece);
    case 'spoil':
      return spoil(home, model, each.piece);
    case 'crash':
    case 'reopen':
      await home[each.type]({ bootId: `boot ${model.boots}` });
      return;
    case 'reboot':
      model.boots++;
      await home.crash({ bootId: `boot ${model.boots}` });
      return;
    case 'verify':
      return content.verify();
    case 'hand-over':
      return handOver(home);
    case 'delete-output':
      return rm(home.out(), { force: true });
    case 'delete-data':
      return deleteData(home, model);
    case 'tear':
    case 'garbage':
      return tear(home, model, each);
  }
}

/** Right bytes or "not here", and the latter only where something happened to the piece. */
async function check(home: DiskHome, model: Model, index: number): Promise<void> {
  const expected = BYTES.subarray(index * PIECE, (index + 1) * PIECE);
  const into = Buffer.alloc(expected.length);
  let code = 'right';
  try {
    await home.content(A).read(index * PIECE, into);
    expect(into.equals(expected)).toBe(true);
  } catch (error) {
    code = (error as { code?: string }).code ?? String(error);
  }
  expect(
    model.right.has(index) ? ['right'] : model.wrong.has(index) ? ['peer-lacks'] : ['right', 'peer-lacks'],
  ).toContain(code);
}

/** An output may be a second name of the same file: the store, which has it open, may then go on giving what it proves anew. */
async function deleteData(home: DiskHome, model: Model): Promise<void> {
  const data = home.path(A, 'data');
  const [own, output] = await Promise.all([data, home.out()].map((path) => stat(path).catch(() => undefined)));
  await rm(data, { force: true });
  model.right.clear();
  if (own !== undefined && own.ino === output?.ino) return;
  for (let index = 0; index < PIECES; index++) model.wrong.add(index);
}

async function spoil(home: DiskHome, model: Model, index: number): Promise<void> {
  const path = home.path(A, 'data');
  const end = (await stat(path).catch(() => undefined))?.size ?? 0;
  if (end < (index === PIECES - 1 ? BYTES.length : (index + 1) * PIECE)) return;
  const at = index * PIECE + 5;
  const file = await open(path, 'r+');
  await file.write(withChange(BYTES.subarray(at, at + 1), 0), 0, 1, at);
  await file.close();
  // Not to depend on the steps of the kernel's clock: every edit has a time of its own.
  model.edits++;
  await utimes(path, model.edits, model.edits);
  model.right.delete(index);
  model.wrong.add(index);
}

async function handOver(home: DiskHome): Promise<void> {
  try {
    await home.content(A).handOver(home.out(), {});
  } catch (error) {
    expect(error).toMatchObject({ code: 'peer-lacks' });
    return;
  }
  const file = await open(home.out());
  expect((await file.readFile()).equals(BYTES)).toBe(true);
  await file.close();
}

/** A power cut or a full disk left less, or more, of the journal than was written. */
async function tear(home: DiskHome, model: Model, each: { type: 'tear' | 'garbage'; bytes: number }): Promise<void> {
  await home.store.close();
  const path = home.path(A, 'journal');
  const { size } = await stat(path);
  if (each.type === 'garbage') await appendFile(path, Buffer.alloc(each.bytes, 0xa5));
  else {
    await truncate(path, Math.max(HEADER_BYTES, size - each.bytes));
    // What was lost may be the note that a piece was put or that one was dropped.
    model.right.clear();
  }
  await home.open({ bootId: `boot ${model.boots}` });
}
