import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { asksBasic, parseChallenges, parseTokenAnswer, tokenChallenge, tokenUrl } from './challenge.ts';

describe('challenges', () => {
  test('of one header are told apart by their schemes', () => {
    const text =
      'Bearer realm="https://auth.test/token",service="registry, or \\"so\\"",scope="repository:a/b:pull", Basic realm="x"';
    expect(parseChallenges(text)).toEqual([
      {
        scheme: 'bearer',
        parameters: {
          realm: 'https://auth.test/token',
          service: 'registry, or "so"',
          scope: 'repository:a/b:pull',
        },
      },
      { scheme: 'basic', parameters: { realm: 'x' } },
    ]);
  });

  test('may come without parameters, unquoted, and in several headers', () => {
    expect(parseChallenges(['Negotiate', 'basic REALM=plain'])).toEqual([
      { scheme: 'negotiate', parameters: {} },
      { scheme: 'basic', parameters: { realm: 'plain' } },
    ]);
    expect(asksBasic(parseChallenges('BASIC realm="x"'))).toBe(true);
    expect(parseChallenges(undefined)).toEqual([]);
  });

  test('of any text are read without an error and without an end', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[ ,="\\a-z]{0,60}$/), (text) => {
        for (const { scheme } of parseChallenges(text)) expect(scheme).not.toBe('');
      }),
    );
  });
});

describe('a token', () => {
  test('is asked for with service and each scope', () => {
    const challenge = tokenChallenge(
      parseChallenges('Bearer realm="https://a.test/t?x=1",service="reg",scope="s:a:pull s:b:pull"'),
    );
    if (challenge === undefined) throw new Error('no challenge');
    expect(tokenUrl(challenge)).toBe('https://a.test/t?x=1&service=reg&scope=s%3Aa%3Apull&scope=s%3Ab%3Apull');
    expect(tokenUrl(challenge, 'other')).toBe('https://a.test/t?x=1&service=reg&scope=other');
  });

  test('is never asked for at what is no http URL', () => {
    expect(tokenChallenge(parseChallenges('Bearer realm="file:///etc/passwd"'))).toBeUndefined();
    expect(tokenChallenge(parseChallenges('Basic realm="https://a.test"'))).toBeUndefined();
  });

  test('comes under either of its names, for a minute where nothing is said', () => {
    expect(parseTokenAnswer('{"token":"abc","expires_in":300}')).toEqual({ token: 'abc', expiresInSeconds: 300 });
    expect(parseTokenAnswer('{"access_token":"abc"}')).toEqual({ token: 'abc', expiresInSeconds: 60 });
    for (const text of ['{', 'null', '{}', '{"token":7}', '{"token":"a\\r\\nb"}'])
      expect(parseTokenAnswer(text)).toBeUndefined();
  });
});
