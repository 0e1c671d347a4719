import { describe, expect, it } from 'vitest';
import { assignedOf, Driver, heldOf, parentNamed, typesOf } from './transfer.fixture.ts';

describe('a transfer under a supernode', () => {
  it('fetches what is assigned at once and reports what is held', () => {
    const driver = Driver.fetching(2);
    expect(driver.on({ type: 'assigned', pieces: [assignedOf(0, 7)] })).toMatchObject([
      { type: 'fetch', attempt: 1, piece: 0, digest: 'd' },
    ]);
    expect(driver.on({ type: 'piece-held', attempt: 1, piece: 0, millis: 5 })).toEqual([
      { type: 'report-held', piece: 0, lease: 7, millis: 5 },
    ]);
  });

  it('checks, leaves and finishes when all is held', () => {
    const driver = Driver.fetching(1);
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] });
    expect(typesOf(driver.on({ type: 'piece-held', attempt: 1, piece: 0, millis: 1 }))).toEqual([
      'report-held',
      'check',
    ]);
    expect(typesOf(driver.on({ type: 'checked' }))).toEqual(['leave', 'finish']);
    expect(driver.transfer.phase).toBe('finished');
  });

  it('finishes an empty content without a piece', () => {
    const driver = new Driver();
    driver.on({ type: 'start' });
    expect(typesOf(driver.opened(0))).toEqual(['check']);
  });

  it('finishes at once when the supernode confirms what is on disk', () => {
    const driver = new Driver();
    driver.on({ type: 'start' });
    expect(typesOf(driver.opened(2, { held: [0, 1] }))).toEqual(['check']);
  });

  it('keeps no more requests out than allowed, and goes on in the order of assignment', () => {
    const driver = Driver.fetching(5, { limits: { requests: 2 } });
    const first = driver.on({ type: 'assigned', pieces: [3, 1, 2].map((piece, at) => assignedOf(piece, at + 1)) });
    expect(first).toMatchObject([{ piece: 3 }, { piece: 1 }]);
    const next = driver.on({ type: 'piece-failed', attempt: 2, fault: 'peer-reset' });
    expect(next).toMatchObject([
      { type: 'report-failed', lease: 2 },
      { type: 'fetch', piece: 2 },
    ]);
  });

  it('reports a piece that is assigned although it is held', () => {
    const driver = new Driver();
    driver.on({ type: 'start' });
    driver.opened(2, { held: [1] });
    const commands = driver.on({ type: 'assigned', pieces: [assignedOf(1, 9)] });
    expect(commands).toEqual([{ type: 'report-held', piece: 1, lease: 9, millis: 0 }]);
  });

  it('refuses an assignment that it cannot prove or that is beyond the content', () => {
    const driver = Driver.fetching(2);
    const unproved = { piece: 0, lease: 1, parent: parentNamed('p1') };
    const commands = driver.on({ type: 'assigned', pieces: [unproved, assignedOf(2, 2)] });
    expect(commands).toMatchObject([
      { type: 'report-failed', lease: 1, fault: 'bad-message' },
      { type: 'report-failed', lease: 2, fault: 'bad-message' },
    ]);
    driver.on({ type: 'manifest-known' });
    expect(typesOf(driver.on({ type: 'assigned', pieces: [{ ...unproved, lease: 3 }] }))).toEqual(['fetch']);
  });

  it('aborts what is cancelled and takes it again when it is assigned again', () => {
    const driver = Driver.fetching(2);
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] });
    expect(driver.on({ type: 'cancelled', leases: [1, 99] })).toEqual([{ type: 'abort', attempt: 1 }]);
    expect(driver.transfer.stateOf(0)).toBe('missing');
    expect(driver.on({ type: 'piece-failed', attempt: 1, fault: 'cancelled' })).toEqual([]);
    expect(typesOf(driver.on({ type: 'assigned', pieces: [assignedOf(0, 2)] }))).toEqual(['fetch']);
  });

  it('takes a hedged piece from two parents and reports both leases when the first one is there', () => {
    const driver = Driver.fetching(2);
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1), assignedOf(0, 2, 'p2')] });
    expect(driver.on({ type: 'piece-held', attempt: 2, piece: 0, millis: 3 })).toEqual([
      { type: 'report-held', piece: 0, lease: 2, millis: 3 },
      { type: 'abort', attempt: 1 },
      { type: 'report-held', piece: 0, lease: 1, millis: 0 },
    ]);
  });

  it.each([
    [1, 1_000],
    [500, 1_500],
    [100_000, 10_000],
  ])('after a piece in %i ms it waits for a parent for %i ms', (millis, stallMs) => {
    const driver = Driver.fetching(3);
    expect(driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] })).toMatchObject([{ stallMs: 3_000 }]);
    driver.on({ type: 'piece-held', attempt: 1, piece: 0, millis });
    expect(driver.on({ type: 'assigned', pieces: [assignedOf(1, 2)] })).toMatchObject([{ stallMs }]);
  });

  it('asks again when the supernode is silent with nothing on its way', () => {
    const driver = Driver.fetching(2);
    expect(driver.after(3_999)).toEqual([]);
    expect(typesOf(driver.after(1))).toEqual(['open']);
    // Ever later, as long as nothing comes.
    expect(driver.after(7_999)).toEqual([]);
    expect(typesOf(driver.after(1))).toEqual(['open']);
    const commands = driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] });
    expect(typesOf(commands)).toEqual(['fetch']);
    expect(driver.on({ type: 'piece-failed', attempt: 1, fault: 'peer-reset' })).toEqual([]);
    expect(driver.after(15_999)).toEqual([]);
    expect(typesOf(driver.after(1))).toEqual(['open']);
  });

  it('counts as lost what was silent for five minutes', () => {
    const driver = Driver.fetching(2);
    let seconds = 0;
    while (driver.transfer.phase === 'fetching') {
      driver.after(1_000);
      seconds++;
    }
    expect(driver.transfer.phase).toBe('sourcing');
    expect(seconds).toBeGreaterThan(300);
    expect(seconds).toBeLessThan(400);
  });

  it('tells pieces that were lost on disk, and fetches again what was lost while it was checked', () => {
    const driver = new Driver();
    driver.on({ type: 'start' });
    driver.opened(2, { held: [0, 1] });
    expect(driver.on({ type: 'pieces-lost', pieces: [1] })).toEqual([{ type: 'report-lost', pieces: [1] }]);
    expect(driver.transfer.phase).toBe('fetching');
    expect(typesOf(driver.on({ type: 'assigned', pieces: [assignedOf(1, 1)] }))).toEqual(['fetch']);
  });

  it('gives a window on only while a supernode listens', () => {
    const driver = new Driver();
    driver.on({ type: 'start' });
    const window = { from: 1, count: 2 };
    expect(driver.on({ type: 'window', window })).toEqual([]);
    driver.opened(4);
    expect(driver.on({ type: 'window', window })).toEqual([{ type: 'report-window', window }]);
  });
});

describe('a transfer whose supernode is lost', () => {
  it('goes on with what is assigned, waits, and then reads the rest from the source', () => {
    const driver = Driver.fetching(4);
    driver.on({ type: 'assigned', pieces: [assignedOf(1, 1)] });
    driver.on({ type: 'session-lost' });
    expect(driver.transfer.phase).toBe('alone');
    expect(driver.on({ type: 'piece-held', attempt: 1, piece: 1, millis: 9 })).toEqual([]);
    expect(driver.after(8_400)).toEqual([]);
    expect(driver.after(200)).toMatchObject([
      { type: 'read-source', from: 0, end: 1, why: { code: 'supernode-unreachable' } },
    ]);
  });

  it('asks known parents and takes from them what the manifest proves', () => {
    const driver = Driver.fetching(4);
    driver.on({ type: 'manifest-known' });
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] });
    driver.on({ type: 'piece-held', attempt: 1, piece: 0, millis: 1 });
    expect(driver.on({ type: 'session-lost' })).toMatchObject([{ type: 'ask-parent', parent: { id: 'p1' } }]);
    const commands = driver.on({ type: 'parent-held', parent: parentNamed('p1').id, held: heldOf(4, [0, 2, 3]) });
    expect(commands).toMatchObject([
      { type: 'fetch', piece: 2 },
      { type: 'fetch', piece: 3 },
    ]);
    expect(commands.every((command) => command.type !== 'fetch' || command.digest === undefined)).toBe(true);
  });

  it('gives up on a parent that fails again and again, and then reads the source', () => {
    const driver = Driver.fetching(1, { limits: { restMs: 10, alonePatienceMs: 2_000 } });
    driver.on({ type: 'manifest-known' });
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] });
    driver.on({ type: 'session-lost' });
    driver.on({ type: 'piece-failed', attempt: 1, fault: 'peer-reset' });
    for (let round = 0; round < 20; round++) {
      for (const command of driver.after(1_000)) {
        if (command.type === 'ask-parent') {
          driver.on({ type: 'parent-silent', parent: command.parent.id, fault: 'peer-reset' });
        }
      }
    }
    expect(driver.said.filter(({ type }) => type === 'ask-parent').length).toBeLessThanOrEqual(4);
    expect(typesOf(driver.said)).toContain('read-source');
  });

  it('is assigned by the one that comes back, and no byte on its way comes twice', () => {
    const driver = Driver.fetching(3);
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1), assignedOf(1, 2)] });
    driver.on({ type: 'session-lost' });
    expect(typesOf(driver.on({ type: 'session-back' }))).toEqual(['open']);
    expect(driver.on({ type: 'piece-held', attempt: 1, piece: 0, millis: 4 })).toEqual([]);
    expect(driver.opened(3, { fresh: false, held: [0] })).toEqual([
      { type: 'report-held', piece: 0, lease: 0, millis: 0 },
    ]);
    expect(driver.on({ type: 'assigned', pieces: [assignedOf(1, 8, 'p2'), assignedOf(2, 9, 'p2')] })).toMatchObject([
      { type: 'fetch', piece: 2 },
    ]);
    expect(driver.on({ type: 'piece-held', attempt: 2, piece: 1, millis: 4 })).toEqual([
      { type: 'report-held', piece: 1, lease: 0, millis: 0 },
      { type: 'report-held', piece: 1, lease: 8, millis: 0 },
    ]);
  });

  it('takes the piece from the new parent after all when the old one fails', () => {
    const driver = Driver.fetching(2);
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] });
    driver.on({ type: 'session-lost' });
    driver.on({ type: 'session-back' });
    driver.opened(2, { fresh: false });
    expect(driver.on({ type: 'assigned', pieces: [assignedOf(0, 5, 'p2')] })).toEqual([]);
    expect(driver.on({ type: 'piece-failed', attempt: 1, fault: 'peer-stalled' })).toMatchObject([
      { type: 'fetch', piece: 0, parent: { id: 'p2' } },
    ]);
  });

  it('waits for nothing of the supernode itself, where that gives no pieces any more', () => {
    const driver = Driver.fetching(3, { limits: { requests: 2 } });
    driver.on({
      type: 'assigned',
      pieces: [assignedOf(0, 1, 'supernode'), assignedOf(1, 2), assignedOf(2, 3, 'supernode')],
    });
    expect(driver.on({ type: 'session-lost', gone: parentNamed('supernode').id })).toMatchObject([
      { type: 'abort', attempt: 1 },
      { type: 'ask-parent', parent: { id: 'p1' } },
    ]);
    expect(driver.transfer.stateOf(0)).toBe('missing');
    expect(driver.transfer.stateOf(1)).toBe('in flight');
    expect(driver.transfer.stateOf(2)).toBe('missing');
    driver.on({ type: 'session-back' });
    driver.opened(3, { fresh: false });
    expect(driver.on({ type: 'assigned', pieces: [assignedOf(0, 7, 'p2')] })).toMatchObject([
      { type: 'fetch', piece: 0, parent: { id: 'p2' } },
    ]);
  });

  it('stops reading the source when the supernode is back', () => {
    const driver = Driver.fetching(3);
    driver.on({ type: 'session-lost' });
    driver.after(9_000);
    expect(driver.transfer.phase).toBe('sourcing');
    driver.on({ type: 'piece-held', attempt: 0, piece: 0, millis: 0 });
    driver.on({ type: 'session-back' });
    expect(driver.opened(3, { fresh: false, held: [0] })).toMatchObject([{ type: 'stop-source', read: 1 }]);
    expect(driver.on({ type: 'source-failed', read: 1, fault: { code: 'cancelled', message: '' } })).toEqual([]);
    expect(driver.transfer.phase).toBe('fetching');
  });

  it('waits longer where the source is forbidden, then fails', () => {
    const driver = Driver.fetching(2, { backToSource: false });
    driver.on({ type: 'session-lost' });
    expect(driver.after(14_999)).toEqual([]);
    expect(driver.after(1)).toMatchObject([{ type: 'fail', fault: { code: 'supernode-unreachable' } }]);
  });

  it('wishes to be woken again when it was woken a little early', () => {
    const driver = Driver.fetching(2);
    driver.on({ type: 'session-lost' });
    const wishes = (now: number) =>
      driver.transfer.handle({ type: 'tick' }, now).filter(({ type }) => type === 'wake-at');
    const [wish] = wishes(driver.now + 1);
    expect(wish).toBeDefined();
    expect(wishes(driver.now + 2)).toEqual([wish]);
  });

  it('reads the source when nobody comes back before the first answer', () => {
    const driver = new Driver();
    driver.on({ type: 'start' });
    driver.on({ type: 'session-lost' });
    expect(driver.after(5_000)).toMatchObject([{ type: 'read-source', from: 0, end: null }]);
  });
});

describe('a supernode whose assignments all fail', () => {
  const fail = (driver: Driver, lease: number) => {
    driver.on({ type: 'assigned', pieces: [assignedOf(0, lease)] });
    return driver.on({ type: 'piece-failed', attempt: lease, fault: 'peer-refused' });
  };

  it('is of no use after a while: the source is read', () => {
    const driver = Driver.fetching(2);
    for (let lease = 1; lease <= 20; lease++) {
      driver.after(999);
      expect(typesOf(fail(driver, lease))).toEqual(['report-failed']);
    }
    driver.after(2_000);
    expect(typesOf(fail(driver, 21))).toContain('leave');
    expect(typesOf(driver.after(1_000))).toContain('read-source');
  });

  it('ends the download where the source is forbidden, and says what to look at', () => {
    const driver = Driver.fetching(2, { backToSource: false });
    for (let lease = 1; lease <= 11; lease++) {
      driver.after(2_000);
      fail(driver, lease);
    }
    const fault = { code: 'supernode-unreachable', message: expect.stringContaining('download port') as string };
    expect(driver.said.at(-1)).toMatchObject({ type: 'fail', fault });
  });

  it('is of use as long as pieces come now and then, or when few attempts failed', () => {
    const driver = Driver.fetching(9);
    for (let lease = 1; lease <= 40; lease += 2) {
      driver.after(9_000);
      fail(driver, lease);
      driver.on({ type: 'assigned', pieces: [assignedOf(1 + ((lease / 2) | 0), lease + 1)] });
      if (lease % 4 === 1)
        driver.on({ type: 'piece-held', attempt: lease + 1, piece: 1 + ((lease / 2) | 0), millis: 1 });
      if (driver.transfer.phase !== 'fetching') break;
    }
    expect(typesOf(driver.said)).not.toContain('read-source');
    const patient = Driver.fetching(2);
    for (let lease = 1; lease <= 4; lease++) {
      patient.after(20_000);
      fail(patient, lease);
    }
    expect(patient.transfer.phase).toBe('fetching');
  });
});

describe('an assignment that is to be told when it is near its end', () => {
  it('asks its fetch to say so, and tells the supernode that gave the lease', () => {
    const driver = Driver.fetching(2);
    const pieces = [{ ...assignedOf(0, 7), near: true as const }, assignedOf(1, 8)];
    const [first, second] = driver.on({ type: 'assigned', pieces });
    expect([first, second]).toMatchObject([
      { type: 'fetch', piece: 0, near: true },
      { type: 'fetch', piece: 1 },
    ]);
    expect(second).not.toHaveProperty('near');
    expect(driver.on({ type: 'piece-near', attempt: 1 })).toEqual([{ type: 'report-near', piece: 0, lease: 7 }]);
    driver.on({ type: 'piece-held', attempt: 1, piece: 0, millis: 1 });
    expect(driver.on({ type: 'piece-near', attempt: 1 })).toEqual([]);
  });

  it('tells nobody when the session that gave it is lost', () => {
    const driver = Driver.fetching(2);
    driver.on({ type: 'assigned', pieces: [{ ...assignedOf(0, 7), near: true }] });
    driver.on({ type: 'session-lost' });
    expect(driver.on({ type: 'piece-near', attempt: 1 })).toEqual([]);
    driver.on({ type: 'session-back' });
    expect(typesOf(driver.on({ type: 'piece-near', attempt: 1 }))).toEqual([]);
  });
});
