import { describe, expect, test } from 'vitest';
import { ManualClock } from '../base/clock.ts';
import { RegistryTokens, type SmallGet } from './registry-tokens.ts';

const challenge = { realm: 'https://auth.test/token', service: 'reg', scope: 'repository:a:pull' };

class TokenServer {
  readonly asked: { url: string; authorization: string | undefined }[] = [];
  status = 200;
  body = '';

  readonly get: SmallGet = async (url, headers) => {
    const authorization = headers.find(([name]) => name === 'authorization')?.[1];
    this.asked.push({ url, authorization });
    const body = this.body || JSON.stringify({ token: `t${this.asked.length}`, expires_in: 300 });
    return { status: this.status, body: Buffer.from(body) };
  };
}

describe('tokens', () => {
  test('are asked for once by many, and again when they are about to expire', async () => {
    const clock = new ManualClock();
    const server = new TokenServer();
    const tokens = new RegistryTokens(clock);
    const all = await Promise.all(Array.from({ length: 100 }, () => tokens.token(server.get, challenge)));
    expect(new Set(all)).toEqual(new Set(['t1']));
    clock.advance(289_000);
    expect(await tokens.token(server.get, challenge)).toBe('t1');
    clock.advance(2_000);
    expect(await tokens.token(server.get, challenge)).toBe('t2');
    expect(server.asked).toHaveLength(2);
  });

  test('of one credential or scope never serve another', async () => {
    const server = new TokenServer();
    const tokens = new RegistryTokens(new ManualClock());
    const ann = { username: 'ann', password: 'x' };
    const bob = { username: 'bob', password: 'x' };
    const given = [
      await tokens.token(server.get, challenge),
      await tokens.token(server.get, challenge, { credential: ann }),
      await tokens.token(server.get, challenge, { credential: bob }),
      await tokens.token(server.get, challenge, { credential: ann, scope: 'repository:b:pull' }),
    ];
    expect(new Set(given).size).toBe(4);
    expect(server.asked[1]?.authorization).toBe(`Basic ${btoa('ann:x')}`);
    expect(server.asked[0]?.authorization).toBeUndefined();
    expect(server.asked[3]?.url).toContain('scope=repository%3Ab%3Apull');
  });

  test.each([
    [401, 'source-refused'],
    [503, 'source-unreachable'],
    [200, 'source-refused'],
  ] as const)('that do not come (%s) are a fault that is not remembered', async (status, code) => {
    const server = new TokenServer();
    server.status = status;
    server.body = 'nothing of use';
    const tokens = new RegistryTokens(new ManualClock());
    await expect(tokens.token(server.get, challenge)).rejects.toMatchObject({ code });
    server.status = 200;
    server.body = '{"token":"good"}';
    expect(await tokens.token(server.get, challenge)).toBe('good');
  });
});
