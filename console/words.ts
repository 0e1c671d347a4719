/** Numbers, times and codes in words. No DOM here: this is what tests without a browser look at. */
import type { HostFilter, HostState, TaskState } from '../src/protocol/api-views.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** `42 s`, `4 min 12 s`, `3 h 05 min`, `2 d 4 h`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return `${Math.floor(whole / MINUTE)} min ${two(whole % MINUTE)} s`;
  if (whole < DAY) return `${Math.floor(whole / HOUR)} h ${two(Math.floor((whole % HOUR) / MINUTE))} min`;
  return `${Math.floor(whole / DAY)} d ${Math.floor((whole % DAY) / HOUR)} h`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** What is left of a time that was so long when it was told; null = until it is released. */
export function timeLeftText(secondsLeft: number | null, sinceMs: number): string {
  if (secondsLeft === null) return 'until released';
  const left = secondsLeft - sinceMs / 1000;
  return left <= 0 ? 'over' : durationText(left);
}

const UNITS: Readonly<Record<string, number>> = { s: 1, m: MINUTE, min: MINUTE, h: HOUR, d: DAY };

/** Seconds of `90s`, `30m`, `1h 30m`, `2d`; null for nothing, undefined for what is no time. */
export function parseTime(text: string): number | null | undefined {
  const clean = text.trim().toLowerCase();
  if (clean === '') return null;
  if (!/^(?:\d+(?:\.\d+)?\s*(?:s|min|m|h|d)\s*)+$/.test(clean)) return undefined;
  let seconds = 0;
  for (const [, amount, unit = ''] of clean.matchAll(/(\d+(?:\.\d+)?)\s*(s|min|m|h|d)/g))
    seconds += Number(amount) * (UNITS[unit] ?? Number.NaN);
  return seconds > 0 ? seconds : undefined;
}

/** `512 B`, `1.5 GiB`. */
export function sizeText(bytes: number): string {
  const names = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [value, step] = [bytes, 0];
  for (; value >= 1024 && step < names.length - 1; step++) value /= 1024;
  return `${step === 0 || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${names[step]}`;
}

/** `10,000`. */
export function countText(count: number): string {
  return count.toLocaleString('en');
}

export const HOST_STATES: Readonly<Record<HostState | HostFilter, string>> = {
  ok: 'ok',
  limited: 'limited',
  isolated: 'isolated',
  probation: 'on probation',
  silent: 'silent',
  excluding: 'excluding',
};

export const TASK_STATES: Readonly<Record<TaskState, string>> = {
  filling: 'being read',
  complete: 'complete',
  broken: 'broken',
};

const REASONS: Readonly<Record<string, string>> = {
  operator: 'an operator wants it so',
  'false-witness': 'called right pieces wrong',
  'peer-corrupt': 'gave wrong bytes',
  'peer-stalled': 'stalled',
  'peer-reset': 'broke connections off',
  'peer-refused': 'refused connections',
  'peer-lacks': 'lacked pieces that it said to hold',
  timeout: 'took too long',
};

/** A reason that has no words yet is shown as it is. */
export function reasonText(reason: string): string {
  return Object.hasOwn(REASONS, reason) ? (REASONS[reason] ?? reason) : reason;
}

/** `3 hosts`, `1 host`. */
export function numberOf(count: number, one: string, many = `${one}s`): string {
  return `${countText(count)} ${count === 1 ? one : many}`;
}
