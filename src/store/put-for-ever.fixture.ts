/** Run as a process that will be killed: puts pieces for as long as it lives and prints a dot after each. */
import { systemClock } from '../io/system-clock.ts';
import { bytesOf, idOf, META, PIECE, putPiece, shapeOf } from './content.fixture.ts';
import { openDiskStore } from './disk-store.ts';

const PIECES = 64;
const MAX_CONTENTS = 100;
const [root = ''] = process.argv.slice(2);
const store = await openDiskStore({ root, clock: systemClock });
for (let name = 0; name < MAX_CONTENTS; name++) {
  const bytes = bytesOf(PIECES * PIECE, name);
  const content = await store.create(idOf(name), shapeOf(bytes.length), META);
  for (let piece = 0; piece < PIECES; piece += 4) {
    await Promise.all(
      [0, 1, 2, 3].map(async (more) => {
        await putPiece(content, bytes, piece + more);
        process.stdout.write('.');
      }),
    );
  }
}
