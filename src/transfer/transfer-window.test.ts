import { describe, expect, it } from 'vitest';
import { assignedOf, Driver, heldOf, parentNamed, shapeOf, typesOf } from './transfer.fixture.ts';

describe('a transfer that wants only what is read', () => {
  const bySource = (held: readonly number[] = []) => {
    const driver = new Driver({ pattern: 'source', only: 'window' });
    driver.on({ type: 'start' });
    driver.opened(9, { by: 'source', held });
    driver.on({ type: 'source-ended', read: 1 });
    return driver;
  };

  it('asks the source what it has, and reads nothing of it', () => {
    const driver = new Driver({ pattern: 'source', only: 'window' });
    driver.on({ type: 'start' });
    expect(driver.said).toEqual([{ type: 'read-source', read: 1, from: 0, end: 0 }]);
    driver.opened(9, { by: 'source' });
    expect(driver.on({ type: 'source-ended', read: 1 })).toEqual([]);
    expect(driver.after(600_000)).toEqual([]);
  });

  it('reads the missing pieces of the window, and then rests', () => {
    const driver = bySource([4]);
    const commands = driver.on({ type: 'window', window: { from: 3, count: 3 } });
    expect(commands).toMatchObject([{ type: 'read-source', read: 2, from: 3, end: 4 }]);
    driver.on({ type: 'piece-held', attempt: 0, piece: 3, millis: 0 });
    expect(driver.on({ type: 'source-ended', read: 2 })).toMatchObject([{ type: 'read-source', from: 5, end: 6 }]);
    driver.on({ type: 'piece-held', attempt: 0, piece: 5, millis: 0 });
    expect(driver.on({ type: 'source-ended', read: 3 })).toEqual([]);
    expect(driver.on({ type: 'window', window: null })).toEqual([]);
  });

  it('goes on with all of it when somebody wants the whole', () => {
    const driver = bySource([0]);
    expect(driver.on({ type: 'window', window: null, whole: true })).toMatchObject([
      { type: 'read-source', from: 1, end: 9 },
    ]);
    expect(driver.on({ type: 'window', window: null })).toEqual([]);
  });

  it('reads a source without ranges as a whole, once somebody reads at all', () => {
    const driver = new Driver({ pattern: 'source', only: 'window' });
    driver.on({ type: 'start' });
    driver.opened(9, { by: 'source', ranges: false });
    expect(driver.on({ type: 'source-ended', read: 1 })).toEqual([]);
    expect(driver.on({ type: 'window', window: { from: 3, count: 1 } })).toMatchObject([{ from: 0, end: null }]);
  });

  it('bears a supernode’s silence while it wants nothing, and not longer', () => {
    const driver = Driver.fetching(9, { only: 'window' });
    expect(driver.after(600_000)).toEqual([]);
    driver.on({ type: 'window', window: { from: 1, count: 1 } });
    expect(typesOf(driver.after(30_000))).toEqual(['open']);
  });

  it('asks again a supernode that assigns only what it cannot use', () => {
    const driver = Driver.fetching(9, { limits: { silenceMs: 4_000 } });
    const useless = { type: 'assigned', pieces: [{ piece: 0, parent: parentNamed('p1'), lease: 7 }] } as const;
    driver.after(3_000);
    expect(driver.on(useless)).toContainEqual({ type: 'report-failed', piece: 0, lease: 7, fault: 'bad-message' });
    expect(typesOf(driver.after(1_000))).toEqual(['open']);
  });

  it('tells the supernode when the whole is wanted, also if that happened while it was asked', () => {
    const driver = Driver.fetching(9, { only: 'window' });
    const event = { type: 'window', window: null, whole: true } as const;
    expect(driver.on(event)).toEqual([{ ...event, type: 'report-window' }]);
    const early = new Driver({ only: 'window' });
    early.on({ type: 'start' });
    early.on(event);
    expect(early.opened(9)).toEqual([{ ...event, type: 'report-window' }]);
  });

  it('takes from parents, left alone, only what is read', () => {
    const driver = Driver.fetching(9, { only: 'window' });
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] });
    driver.on({ type: 'manifest-known' });
    driver.on({ type: 'piece-held', attempt: 1, piece: 0, millis: 1 });
    driver.on({ type: 'window', window: { from: 4, count: 2 } });
    driver.on({ type: 'session-lost' });
    const { id } = parentNamed('p1');
    const commands = driver.on({ type: 'parent-held', parent: id, held: heldOf(9, [...shapePieces(9)]) });
    const fetched = commands.flatMap((command) => (command.type === 'fetch' ? [command.piece] : []));
    expect(fetched).toEqual([4, 5]);
  });

  it('is finished when all of it happens to be held', () => {
    const driver = bySource([0, 1, 2, 3, 4, 5, 6, 7]);
    driver.on({ type: 'window', window: { from: 8, count: 1 } });
    expect(driver.on({ type: 'piece-held', attempt: 0, piece: 8, millis: 0 })).toContainEqual({ type: 'check' });
  });
});

function* shapePieces(count: number): Generator<number> {
  const { length, pieceSize } = shapeOf(count);
  for (let piece = 0; piece * pieceSize < (length ?? 0); piece++) yield piece;
}
