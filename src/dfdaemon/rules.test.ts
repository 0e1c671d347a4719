import { expect, test } from 'vitest';
import { decide, type Rule } from './rules.ts';

const rule = (pattern: RegExp, rest: Partial<Rule> = {}): Rule => ({ pattern, p2p: true, useHttps: false, ...rest });
const url = new URL('http://files.example:8080/models/a.bin?x=1');

test('the first rule that fits decides', () => {
  const rules = [rule(/never/), rule(/models/, { p2p: false }), rule(/a\.bin/)];
  expect(decide(url, rules).p2p).toBe('never');
  expect(decide(url, rules.slice(2)).p2p).toBe('by-rule');
});

test('where no rule fits only blobs travel P2P', () => {
  expect(decide(url, [rule(/elsewhere/)])).toEqual({ url, p2p: 'blobs' });
});

test('a rule sends a request to another host, port or scheme', () => {
  const to = (rest: Partial<Rule>) => decide(url, [rule(/models/, rest)]).url.href;
  expect(to({ useHttps: true })).toBe('https://files.example:8080/models/a.bin?x=1');
  expect(to({ redirect: 'mirror.lan' })).toBe('http://mirror.lan/models/a.bin?x=1');
  expect(to({ redirect: 'https://mirror.lan:444' })).toBe('https://mirror.lan:444/models/a.bin?x=1');
});
