import { expect, test } from 'vitest';
import type { Clock } from '../base/clock.ts';
import { Grants } from './grants.ts';

let now = 0;
const clock = { now: () => now, wall: () => now } as Clock;
const asker = { registry: 'https://r', repository: 'a', credential: 'x' };

test('a grant speaks of one credential, one repository and one blob, for a minute', () => {
  now = 0;
  const grants = new Grants(clock);
  grants.grant(asker, ['sha256:1']);
  expect(grants.has(asker, 'sha256:1')).toBe(true);
  expect(grants.has(asker, 'sha256:2')).toBe(false);
  expect(grants.has({ ...asker, credential: 'y' }, 'sha256:1')).toBe(false);
  expect(grants.has({ ...asker, repository: 'b' }, 'sha256:1')).toBe(false);
  expect(grants.has({ ...asker, registry: 'https://s' }, 'sha256:1')).toBe(false);
  now = 60_000;
  expect(grants.has(asker, 'sha256:1')).toBe(false);
});

test('it is stretched while the registry is down, and not for ever', () => {
  now = 0;
  const grants = new Grants(clock);
  grants.grant(asker, ['sha256:1']);
  now = 599_999;
  expect(grants.has(asker, 'sha256:1', true)).toBe(true);
  now = 600_000;
  expect(grants.has(asker, 'sha256:1', true)).toBe(false);
});

test('the manifest of a blob, and its size, are known by its repository', () => {
  const grants = new Grants(clock);
  const blobs = [
    { digest: 'sha256:1', size: 10 },
    { digest: 'sha256:2', size: 20 },
  ];
  grants.learn(asker, { manifest: 'sha256:m', blobs });
  expect(grants.manifestWith(asker, 'sha256:2')).toBe('sha256:m');
  expect(grants.sizeOf(asker, 'sha256:2')).toBe(20);
  expect(grants.blobsOf(asker, 'sha256:m')).toEqual(['sha256:1', 'sha256:2']);
  expect(grants.manifestWith({ ...asker, repository: 'b' }, 'sha256:2')).toBeUndefined();
});
