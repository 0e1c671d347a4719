import { describe, expect, it } from 'vitest';
import { assignedOf, Driver, typesOf } from './transfer.fixture.ts';

const refused = (
  code: 'supernode-refused' | 'source-refused' | 'source-changed' | 'supernode-unreachable' | 'no-space',
) => ({ type: 'refused', fault: { code, message: 'no' } }) as const;

describe('a supernode that says no', () => {
  it.each(['source-refused'] as const)('ends with %s, which is the source’s word', (code) => {
    const driver = new Driver();
    driver.on({ type: 'start' });
    expect(driver.on(refused(code))).toEqual([{ type: 'fail', fault: { code, message: 'no' } }]);
  });

  it.each(['supernode-refused', 'supernode-unreachable', 'no-space'] as const)(
    'sends the host to the source at once with %s',
    (code) => {
      const driver = new Driver();
      driver.on({ type: 'start' });
      expect(driver.on(refused(code))).toMatchObject([
        { type: 'read-source', from: 0, end: null, why: { code, message: 'no' } },
      ]);
    },
  );

  it('fails where the source is forbidden, and not with a trouble of the supernode’s own', () => {
    const driver = new Driver({ backToSource: false });
    driver.on({ type: 'start' });
    expect(driver.on(refused('no-space'))).toMatchObject([{ type: 'fail', fault: { code: 'supernode-refused' } }]);
  });

  describe('where the source is forbidden and no supernode could be reached', () => {
    const unreachable = { ...refused('supernode-unreachable'), tried: 'again' } as const;
    const start = () => {
      const driver = new Driver({ backToSource: false });
      driver.on({ type: 'start' });
      expect(driver.on(unreachable)).toEqual([]);
      return driver;
    };

    it('waits for one to come', () => {
      const driver = start();
      expect(driver.after(4_000)).toEqual([]);
      expect(driver.on({ type: 'session-back' })).toEqual([{ type: 'open' }]);
      expect(driver.opened(2)).toEqual([]);
      expect(driver.after(2_000)).toEqual([]);
    });

    it('ends with the reason when none has come in time', () => {
      const driver = start();
      expect(driver.after(5_000)).toMatchObject([
        { type: 'fail', fault: { code: 'supernode-unreachable', message: 'no' } },
      ]);
    });

    it('is not put off by one that comes and goes', () => {
      const driver = start();
      driver.after(3_000, { type: 'session-back' });
      expect(driver.after(1_000, unreachable)).toEqual([]);
      driver.after(500, { type: 'session-back' });
      expect(driver.after(1_000, unreachable)).toMatchObject([{ type: 'fail' }]);
    });

    it('ends at once when nobody is there to wait for', () => {
      const driver = new Driver({ backToSource: false });
      driver.on({ type: 'start' });
      expect(driver.on(refused('supernode-unreachable'))).toMatchObject([{ type: 'fail' }]);
    });
  });

  it('begins anew when the content changed, but not for ever', () => {
    const driver = Driver.fetching(2);
    const broken = { type: 'broken', fault: { code: 'source-changed', message: 'new' } } as const;
    expect(typesOf(driver.on(broken))).toEqual(['forget', 'open']);
    driver.opened(3);
    expect(typesOf(driver.on(broken))).toEqual(['forget', 'open']);
    driver.opened(3);
    expect(typesOf(driver.on(broken))).toEqual(['leave', 'fail']);
  });

  it('keeps nothing of a content whose digest came out wrong', () => {
    const driver = Driver.fetching(2);
    const broken = { type: 'broken', fault: { code: 'digest-mismatch', message: 'wrong' } } as const;
    expect(typesOf(driver.on(broken))).toEqual(['leave', 'forget', 'fail']);
  });

  it('leaves a supernode that fails in the middle and reads the rest from the source', () => {
    const driver = Driver.fetching(4);
    driver.on({ type: 'assigned', pieces: [assignedOf(0, 1)] });
    driver.on({ type: 'piece-held', attempt: 1, piece: 0, millis: 1 });
    const broken = { type: 'broken', fault: { code: 'no-space', message: 'full' } } as const;
    expect(typesOf(driver.on(broken))).toEqual(['leave', 'ask-parent']);
    expect(driver.after(500)).toMatchObject([{ type: 'read-source', from: 1, end: 4 }]);
  });
});
