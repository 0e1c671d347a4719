/** The one table that a benchmark prints, and the arithmetic of its rows. */

export const MIB = 1024 * 1024;

export function header(): void {
  process.stdout.write('| what | ours | beside | ratio |\n|---|---|---|---|\n');
}

export function row(what: string, ours: string, beside = '', ratio = ''): void {
  process.stdout.write(`| ${what} | ${ours} | ${beside} | ${ratio} |\n`);
}

export function fixed(value: number, digits = 2): string {
  return value.toFixed(digits);
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
