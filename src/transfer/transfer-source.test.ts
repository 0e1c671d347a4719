import { describe, expect, it } from 'vitest';
import { Driver, heldOf, shapeOf, typesOf } from './transfer.fixture.ts';

describe('a transfer that reads the source', () => {
  const alone = () => {
    const driver = new Driver({ pattern: 'source' });
    driver.on({ type: 'start' });
    return driver;
  };

  it('never asks a supernode with the pattern source', () => {
    const driver = alone();
    expect(driver.said).toEqual([{ type: 'read-source', read: 1, from: 0, end: null }]);
    expect(driver.on({ type: 'session-back' })).toEqual([]);
  });

  it('resumes run by run, beginning where a reader waits', () => {
    const driver = alone();
    driver.opened(6, { by: 'source', held: [1, 4] });
    driver.on({ type: 'window', window: { from: 2, count: 4 } });
    driver.on({ type: 'piece-held', attempt: 0, piece: 0, millis: 0 });
    expect(driver.on({ type: 'source-ended', read: 1 })).toMatchObject([{ type: 'read-source', from: 2, end: 4 }]);
    driver.on({ type: 'piece-held', attempt: 0, piece: 2, millis: 0 });
    driver.on({ type: 'piece-held', attempt: 0, piece: 3, millis: 0 });
    expect(driver.on({ type: 'source-ended', read: 2 })).toMatchObject([{ type: 'read-source', from: 5, end: 6 }]);
  });

  it('reads all of a source without ranges again', () => {
    const driver = alone();
    driver.opened(3, { by: 'source', held: [0], ranges: false });
    driver.on({ type: 'piece-held', attempt: 0, piece: 1, millis: 0 });
    driver.on({ type: 'source-failed', read: 1, fault: { code: 'source-unreachable', message: 'cut' } });
    expect(driver.after(300)).toMatchObject([{ type: 'read-source', from: 0, end: null }]);
  });

  it('tries again after a rest for as long as pieces come, then gives up', () => {
    const driver = alone();
    driver.opened(9, { by: 'source' });
    const fault = { code: 'source-unreachable', message: 'cut' } as const;
    let reads = 0;
    for (let round = 0; round < 20 && driver.transfer.phase === 'sourcing'; round++) {
      reads++;
      if (round === 2) driver.on({ type: 'piece-held', attempt: 0, piece: 0, millis: 0 });
      driver.on({ type: 'source-failed', read: reads, fault });
      driver.after(20_000);
    }
    expect(reads).toBe(7);
    expect(driver.said.at(-1)).toEqual({ type: 'fail', fault });
  });

  it('ends with the source’s own no', () => {
    const driver = alone();
    const fault = { code: 'source-refused', message: '404', sourceStatus: 404 } as const;
    expect(driver.on({ type: 'source-failed', read: 1, fault })).toEqual([{ type: 'fail', fault }]);
  });

  it('learns the length at the end of a content of unknown length', () => {
    const driver = alone();
    const unknown = { length: null, pieceSize: shapeOf(1).pieceSize };
    driver.on({
      ...{ type: 'opened', by: 'source', fresh: true, hasManifest: false, ranges: false },
      shape: unknown,
      held: heldOf(0),
    });
    driver.on({ type: 'piece-held', attempt: 0, piece: 0, millis: 0 });
    expect(driver.on({ type: 'shaped', shape: shapeOf(2) })).toEqual([]);
    expect(typesOf(driver.on({ type: 'piece-held', attempt: 0, piece: 1, millis: 0 }))).toEqual([
      'stop-source',
      'check',
    ]);
  });

  it('begins anew at once when the source has another content now', () => {
    const driver = alone();
    driver.opened(3, { by: 'source', held: [0] });
    const changed = { code: 'source-changed', message: 'etag' } as const;
    expect(driver.on({ type: 'source-failed', read: 1, fault: changed })).toEqual([
      { type: 'forget' },
      { type: 'read-source', read: 2, from: 0, end: null },
    ]);
  });
});

describe('the time for the whole', () => {
  it('ends it with a timeout', () => {
    const driver = Driver.fetching(2, { timeoutMs: 1_000 });
    expect(driver.after(999)).toEqual([]);
    expect(driver.after(1)).toMatchObject([{ type: 'leave' }, { type: 'fail', fault: { code: 'timeout' } }]);
    expect(driver.on({ type: 'stopped', fault: { code: 'cancelled', message: '' } })).toEqual([]);
  });

  it('follows from the length and the least rate', () => {
    const driver = Driver.fetching(400, { minRate: 1024 * 1024, limits: { silenceMs: 1e9 } });
    expect(driver.after(49_000)).toEqual([]);
    expect(driver.after(1_001)).toMatchObject([{ type: 'leave' }, { type: 'fail', fault: { code: 'timeout' } }]);
  });
});
