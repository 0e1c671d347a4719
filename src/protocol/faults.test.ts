import { describe, expect, it } from 'vitest';
import { EXIT, FAULTS, Fault, type FaultCode, isFaultCode } from './faults.ts';

describe('faults', () => {
  it('survive the wire', () => {
    for (const code of Object.keys(FAULTS) as FaultCode[]) {
      const fault = new Fault(code, `about ${code}`, { sourceStatus: 404 });
      const again = Fault.fromValue(JSON.parse(JSON.stringify(fault.toValue())));
      expect([again.code, again.message, again.sourceStatus]).toEqual([code, `about ${code}`, 404]);
    }
    expect(Fault.fromValue({ code: 'timeout', message: 'm' }).toValue()).toEqual({ code: 'timeout', message: 'm' });
  });

  it('each have a status, an exit code that is listed, and advice', () => {
    const exits = new Set<number>(Object.values(EXIT));
    for (const { status, exit, advice } of Object.values(FAULTS)) {
      expect(status).toBeGreaterThanOrEqual(400);
      expect(exits.has(exit)).toBe(true);
      expect(exit).not.toBe(EXIT.ok);
      expect(advice).not.toBe('');
    }
  });

  it('wrap what is none and keep what is one', () => {
    const fault = new Fault('timeout', 'late');
    expect(Fault.of(fault, 'local-io')).toBe(fault);
    const cause = new Error('broken');
    expect(Fault.of(cause)).toMatchObject({ code: 'internal', message: 'broken', cause });
    expect(Fault.of('text', 'local-io')).toMatchObject({ code: 'local-io', message: 'text' });
    expect(fault.entry).toBe(FAULTS.timeout);
  });

  it('are not confused with what every object has', () => {
    expect(isFaultCode('timeout')).toBe(true);
    for (const wrong of ['toString', '__proto__', '', 5, null]) expect(isFaultCode(wrong)).toBe(false);
  });
});
