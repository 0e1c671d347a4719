import { describe, expect, it } from 'vitest';
import { Fault } from '../../protocol/faults.ts';
import { parseRedis, shownRedis, withoutPassword } from './redis-place.ts';

describe('the place of Redis', () => {
  it('is one server, with its usual port and database', () => {
    expect(parseRedis('redis://cache')).toMatchObject({ mode: 'single', tls: false, db: 0 });
    expect(parseRedis('redis://cache').nodes).toEqual([{ host: 'cache', port: 6379 }]);
    expect(parseRedis('rediss://[fd00::1]:7000/3')).toMatchObject({
      ...{ tls: true, db: 3 },
      nodes: [{ host: 'fd00::1', port: 7000 }],
    });
  });

  it('has a user, a password with any character, or a file with it', () => {
    expect(parseRedis('redis://df:p%40s%3As%2F@h')).toMatchObject({ username: 'df', password: 'p@s:s/' });
    expect(parseRedis('redis://:only@h')).toMatchObject({ password: 'only' });
    expect(parseRedis('redis://:only@h')).not.toHaveProperty('username');
    expect(parseRedis('rediss://h?passwordFile=/run/p&ca=/run/ca.pem').files).toEqual({
      passwordFile: '/run/p',
      ca: '/run/ca.pem',
    });
  });

  it('is a list of sentinels and the name of their master', () => {
    const place = parseRedis('redis+sentinel://df:x@a,b:7,c/main?db=2&sentinelUser=s&sentinelPasswordFile=/f');
    expect(place).toMatchObject({ mode: 'sentinel', master: 'main', db: 2, username: 'df', sentinelUser: 's' });
    expect(place.nodes.map(({ port }) => port)).toEqual([26_379, 7, 26_379]);
  });

  it('is a Redis Cluster when it says so or has several places', () => {
    expect(parseRedis('redis+cluster://a')).toMatchObject({ mode: 'cluster', nodes: [{ host: 'a', port: 6379 }] });
    expect(parseRedis('redis://a:1,b:2')).toMatchObject({ mode: 'cluster' });
  });

  it.each([
    'http://h',
    'redis://',
    'redis://h:0',
    'redis://h:x',
    'redis://h/main',
    'redis+sentinel://h',
    'redis+cluster://h/1',
    'redis://h?nothing=1',
    'redis://u:%@h',
  ])('%s is refused', (text) => {
    expect(() => parseRedis(text)).toThrow(Fault);
  });

  it('never says a password, not even when it is refused', () => {
    const secret = 'geheim';
    for (const text of [`redis://u:${secret}@h:0`, `redis://u:${secret}@h/x`, `redis:/u:${secret}@h`]) {
      const thrown = (() => {
        try {
          return parseRedis(text);
        } catch (error) {
          return String(error);
        }
      })();
      expect(thrown).toMatch(/^Fault/);
      expect(thrown).not.toContain(secret);
    }
    const sentinel = parseRedis(`rediss+sentinel://u:${secret}@h,[::1]:3/main`);
    expect(shownRedis(sentinel)).toBe('rediss+sentinel://h:26379,[::1]:3/main');
    expect(withoutPassword(`redis+cluster://u:${secret}@h,i`)).toBe('redis+cluster://***@h,i');
  });
});
