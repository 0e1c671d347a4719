/**
 * Small checks for untrusted JSON, hand-written because hot messages pass them tens of thousands of times a second. Each
 * throws a Fault 'bad-message' that names the field, never its value (it may be a secret).
 */
import { Fault } from './faults.ts';

/** Piece indexes and bitfields beyond it are refused before anything is allocated for them. */
export const MAX_PIECES = 1 << 24;
export const MAX_ITEMS = 1 << 16;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

export type Fields = Record<string, unknown>;

export function broken(what: string): never {
  throw new Fault('bad-message', `bad message: ${what}`);
}

export function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) broken(`${what} is not an object`);
  return value as Fields;
}

export function list(value: unknown, what: string, max = MAX_ITEMS): readonly unknown[] {
  if (!Array.isArray(value)) broken(`${what} is not a list`);
  if (value.length > max) broken(`${what} has more than ${max} items`);
  return value;
}

export function text(value: unknown, what: string, max: number): string {
  if (typeof value !== 'string') broken(`${what} is not a text`);
  if (value.length > max) broken(`${what} is longer than ${max}`);
  return value;
}

export function optionalText(value: unknown, what: string, max: number): void {
  if (value !== undefined) text(value, what, max);
}

export function flag(value: unknown, what: string): void {
  if (typeof value !== 'boolean') broken(`${what} is neither true nor false`);
}

export function whole(value: unknown, what: string, max = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max) {
    broken(`${what} is not a whole number up to ${max}`);
  }
  return value;
}

/** Milliseconds or bytes per second: finite, not negative, maybe with a fraction. */
export function amount(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0) broken(`${what} is not an amount`);
  return value;
}

export function base64(value: unknown, what: string, max: number): string {
  const encoded = text(value, what, max);
  if (encoded.length % 4 !== 0 || !BASE64.test(encoded)) broken(`${what} is not base64`);
  return encoded;
}
