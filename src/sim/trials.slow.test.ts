import { expect, it } from 'vitest';
import { TRIALS, tryOut } from './trials.ts';

for (const trial of TRIALS) {
  it(`${trial.what}: at most ${trial.most} of the undisturbed time`, { timeout: 120_000 }, () => {
    const { ratio, result, wrongPieces, provedPieces } = tryOut(trial, 1);
    expect(ratio).toBeLessThanOrEqual(trial.most);
    expect(result.finished).toBe(8);
    if (trial.name === 'corrupt') expect(wrongPieces + provedPieces).toBeLessThanOrEqual(3);
  });
}
