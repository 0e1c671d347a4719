import { describe, expect, test } from 'vitest';
import { planAnswer } from './answer-plan.ts';

const facts = { etag: '"e"', contentType: 'text/x', ranges: true };
const known = { length: 1000, facts, digest: 'sha256:aa' };
const header = (headers: readonly string[], name: string) => headers[headers.indexOf(name) + 1];

describe('the head of an answer', () => {
  test('has the headers of the source', () => {
    const plan = planAnswer(known, {});
    expect(plan).toMatchObject({ type: 'body', status: 200, span: { start: 0, end: 1000 } });
    expect(plan.headers).toEqual([
      'Content-Type',
      'text/x',
      'Accept-Ranges',
      'bytes',
      'ETag',
      '"e"',
      'Docker-Content-Digest',
      'sha256:aa',
      'Content-Length',
      '1000',
    ]);
  });

  test.each([
    ['bytes=0-9', 206, 'bytes 0-9/1000', { start: 0, end: 10 }],
    ['bytes=990-', 206, 'bytes 990-999/1000', { start: 990, end: 1000 }],
    ['bytes=-5', 206, 'bytes 995-999/1000', { start: 995, end: 1000 }],
    ['bytes=5-5000', 206, 'bytes 5-999/1000', { start: 5, end: 1000 }],
  ])('%s', (range, status, contentRange, span) => {
    const plan = planAnswer(known, { range });
    expect(plan).toMatchObject({ status, span });
    expect(header(plan.headers, 'Content-Range')).toBe(contentRange);
  });

  test.each([['bytes=5-2'], ['bytes=0-1,4-5'], ['lines=1-2']])('%s is no range: the whole', (range) => {
    expect(planAnswer(known, { range })).toMatchObject({ status: 200 });
  });

  test('a range beyond the end cannot be had', () => {
    const plan = planAnswer(known, { range: 'bytes=1000-' });
    expect([plan.type, header(plan.headers, 'Content-Range')]).toEqual(['unsatisfiable', 'bytes */1000']);
  });

  test('If-Range with another validator asks for the whole', () => {
    expect(planAnswer(known, { range: 'bytes=0-9', ifRange: '"e"' })).toMatchObject({ status: 206 });
    expect(planAnswer(known, { range: 'bytes=0-9', ifRange: '"f"' })).toMatchObject({ status: 200 });
    const weak = { ...known, facts: { ...facts, etag: 'W/"e"' } };
    expect(planAnswer(weak, { range: 'bytes=0-9', ifRange: 'W/"e"' })).toMatchObject({ status: 200 });
  });

  test('a length that nobody knows is not told, and ranges of it are the whole', () => {
    const plan = planAnswer({ ...known, length: null }, { range: 'bytes=0-9' });
    expect(plan).toMatchObject({ status: 200, span: { start: 0, end: null } });
    expect(plan.headers).not.toContain('Content-Length');
  });
});
