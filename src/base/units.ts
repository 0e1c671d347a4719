/**
 * Sizes, rates and durations as people write them. Sizes count in 1024s, as the old system did: `20M` = `20MB` = 20 MiB; a rate may end
 * in `/s`. Durations as `1h2m3s`, `500ms`; a bare number means seconds. Parsers throw RangeError with one line that says what is right.
 */

const FACTORS: Record<string, number> = { '': 1, b: 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3, t: 1024 ** 4 };
const DURATIONS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const bytes =
    match === null ? Number.NaN : Number(match[1]) * (FACTORS[(match[2] ?? '').toLowerCase()] ?? Number.NaN);
  if (!Number.isSafeInteger(Math.round(bytes)))
    throw new RangeError(`${JSON.stringify(text)} is no size; write 512K, 20M or 4G`);
  return Math.round(bytes);
}

/** Bytes per second. */
export function parseRate(text: string): number {
  try {
    return parseSize(text.trim().replace(/\/s$/i, ''));
  } catch {
    throw new RangeError(`${JSON.stringify(text)} is no rate; write 512K, 20M or 1G (bytes per second)`);
  }
}

/** Milliseconds. */
export function parseDuration(text: string): number {
  const clean = text.trim();
  const fail = (): never => {
    throw new RangeError(`${JSON.stringify(text)} is no duration; write 500ms, 15s, 3m or 1h30m`);
  };
  if (/^-?\d+(\.\d+)?$/.test(clean)) return Number(clean) * 1000;
  const sign = clean.startsWith('-') ? -1 : 1;
  const body = sign < 0 ? clean.slice(1) : clean;
  if (!/^(\d+(?:\.\d+)?(?:ms|s|m|h|d))+$/.test(body)) return fail();
  let total = 0;
  for (const [, amount, unit] of body.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g))
    total += Number(amount) * (DURATIONS[unit ?? ''] ?? 0);
  return sign * total;
}

/** `1.5 GiB`, `20 MiB`, `512 B`. */
export function printSize(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let step = 0;
  while (value >= 1024 && step < names.length - 1) {
    value /= 1024;
    step++;
  }
  return `${step === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${names[step]}`;
}

export function printRate(bytesPerSecond: number): string {
  return `${printSize(bytesPerSecond)}/s`;
}

/** `450 ms`, `3.2 s`, `2m05s`, `1h02m`. */
export function printDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const pad = (value: number): string => String(value).padStart(2, '0');
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${pad(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${pad(Math.floor((seconds % 3600) / 60))}m`;
}
