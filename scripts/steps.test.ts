import { describe, expect, it, vi } from 'vitest';
import { coveredLines, runSteps, tallyIn, tallyOf } from './steps.ts';

const file = (status: string, ...tests: [string, string][]) => ({
  name: 'a.test.ts',
  status,
  assertionResults: tests.map(([result, fullName]) => ({ status: result, fullName })),
});

describe('the tally of a program that counts its checks', () => {
  it('is its last sum, with what it left out; a program that was cut short has failed', () => {
    const said = 'LEFT OUT: cut links\n9 passed, 0 failed, 0 skipped\nmore\n7 passed, 2 failed, 0 skipped\n';
    expect(tallyIn(said)).toEqual({ passed: 7, failed: 2, skipped: ['LEFT OUT: cut links'] });
    expect(tallyIn('chaos: it broke\n')).toEqual({ passed: 0, failed: 1, skipped: [] });
  });
});

describe('the tally of a vitest report', () => {
  it('names what was skipped', () => {
    const testResults = [file('passed', ['passed', 'one'], ['pending', 'needs nginx'])];
    expect(tallyOf({ numPassedTests: 1, numFailedTests: 0, testResults })).toEqual({
      passed: 1,
      failed: 0,
      skipped: ['needs nginx'],
    });
  });

  it('counts a file that could not be loaded as a failed test', () => {
    const testResults = [file('failed'), file('failed', ['failed', 'two'])];
    expect(tallyOf({ numPassedTests: 0, numFailedTests: 1, testResults }).failed).toBe(2);
  });
});

describe('coverage', () => {
  const entry = (total: number, covered: number) => ({ lines: { total, covered } });

  it('is the share of lines over the files of a folder', () => {
    const summary = {
      total: entry(9, 9),
      '/x/src/a/1.ts': entry(10, 5),
      '/x/src/a/2.ts': entry(30, 30),
      '/x/src/b/3.ts': entry(10, 0),
    };
    expect(coveredLines(summary, 'src/a')).toBe(87.5);
  });

  it('of a folder without files is none', () => {
    expect(coveredLines({}, 'src/a')).toBe(0);
  });
});

describe('running steps', () => {
  it('goes on after a failure, sums up in the last line and fails as a whole', async () => {
    const log = vi.spyOn(console, 'log').mockReturnValue();
    const code = await runSteps([
      ['one', () => ({ passed: 0, failed: 2, skipped: [] })],
      ['two', async () => ({ passed: 3, failed: 0, skipped: ['needs root'] })],
    ]);
    const lines = log.mock.calls.map(([line]) => line);
    log.mockRestore();
    expect(code).toBe(1);
    expect(lines.at(-1)).toBe('3 passed, 2 failed, 1 skipped');
    expect(lines).toContain('SKIPPED: needs root');
  });
});
