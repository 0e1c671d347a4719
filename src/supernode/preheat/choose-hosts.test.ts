import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Random } from '../../base/random.ts';
import type { HostDescription } from '../../protocol/host.ts';
import { parseHostId } from '../../protocol/ids.ts';
import { chooseHosts } from './choose-hosts.ts';

function host(name: string, idc = ''): HostDescription {
  const id = parseHostId(`id-${name}`);
  if (id === undefined) throw new Error('no id');
  const site = { idc, location: '', machine: name };
  return { id, name, ip: '10.0.0.1', port: 1, site, version: '1', uploads: true };
}

const HOSTS = [host('a', 'east'), host('b', 'west'), host('c', 'east'), host('d')];
const random = new Random(7);

describe('the chosen hosts', () => {
  test('are all, those of a data centre, or those named', () => {
    expect(chooseHosts(HOSTS, {}, random)).toEqual(['id-a', 'id-b', 'id-c', 'id-d']);
    expect(chooseHosts(HOSTS, { idc: 'east' }, random)).toEqual(['id-a', 'id-c']);
    expect(chooseHosts(HOSTS, { hosts: ['b', 'id-d'] }, random)).toEqual(['id-b', 'id-d']);
  });

  test('are never none without a word', () => {
    expect(() => chooseHosts(HOSTS, { idc: 'north' }, random)).toThrow('no host of north is here');
    expect(() => chooseHosts(HOSTS, { hosts: ['x'] }, random)).toThrow('no host x');
    expect(() => chooseHosts([], {}, random)).toThrow('no host is here');
  });

  test('by number are so many different ones, and each may be among them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(), (count, seed) => {
        const chosen = chooseHosts(HOSTS, { count }, new Random(seed));
        expect(new Set(chosen).size).toBe(Math.min(count, HOSTS.length));
      }),
    );
    const seen = new Set(Array.from({ length: 100 }, () => chooseHosts(HOSTS, { count: 1 }, random)[0]));
    expect(seen.size).toBe(HOSTS.length);
  });
});
