import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { contentIdOf, parseContentId, parseHostId, parseTaskId, type TaskId, taskOf } from './ids.ts';
import { contentId } from './messages.fixture.ts';
import { contentPath, parsePiecePath, piecesPath } from './piece-path.ts';

const TASK = 'ab'.repeat(32) as TaskId;

describe('ids', () => {
  it('are taken in their exact form only', () => {
    expect(parseTaskId(TASK)).toBe(TASK);
    for (const wrong of ['', TASK.slice(1), `${TASK}0`, TASK.toUpperCase(), `${TASK}\n`, `g${TASK.slice(1)}`])
      expect(parseTaskId(wrong)).toBeUndefined();
    expect(parseContentId(`${TASK}.g1`)).toBe(`${TASK}.g1`);
    for (const wrong of [
      TASK,
      `${TASK}.`,
      `${TASK}-g1`,
      `${TASK}.G`,
      `${TASK}.${'a'.repeat(33)}`,
      `${TASK}./..`,
      `${TASK}.a\n`,
    ])
      expect(parseContentId(wrong)).toBeUndefined();
    expect(parseHostId('host-1.example:7')).toBeDefined();
    for (const wrong of ['', 'a b', 'a/b', 'ä', 'a'.repeat(129)]) expect(parseHostId(wrong)).toBeUndefined();
  });

  it('of a content are made from task and generation, and give the task back', () => {
    const content = contentIdOf(TASK, 'g2');
    expect(parseContentId(content)).toBe(content);
    expect(taskOf(content)).toBe(TASK);
    expect(() => contentIdOf(TASK, '')).toThrow(RangeError);
    expect(() => contentIdOf(TASK, 'A.b')).toThrow(RangeError);
  });
});

describe('piece paths', () => {
  it('name their content', () => {
    fc.assert(
      fc.property(contentId, (content) => {
        expect(parsePiecePath(contentPath(content))).toEqual({ type: 'content', content });
        expect(parsePiecePath(piecesPath(content))).toEqual({ type: 'pieces', content });
        expect(parsePiecePath(`${contentPath(content)}?x=/pieces`)).toEqual({ type: 'content', content });
      }),
    );
  });

  it.each([
    '',
    '/',
    '/v1/contents/',
    '/v1/contents//pieces',
    `/v1/contents/${TASK}`,
    `/v2/contents/${TASK}.a`,
    `/v1/contents/${TASK}.a/`,
    `/v1/contents/../${TASK}.a`,
  ])('%j is none', (path) => {
    expect(parsePiecePath(path)).toBeUndefined();
  });
});
