/** How long a server that is busy asks us to stay away: the Retry-After header (RFC 9110, 10.2.3). */

/** Milliseconds; undefined when it is absent or nonsense. `wallNow` in milliseconds since 1970. */
export function retryAfterMs(value: string | undefined, wallNow: number): number | undefined {
  const text = value?.trim() ?? '';
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const date = /[a-z]/i.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - wallNow);
}

/** Answers that may be another one in a while. */
export function isPassing(status: number): boolean {
  return status === 408 || status === 425 || status === 429 || (status >= 500 && status !== 501 && status !== 505);
}
