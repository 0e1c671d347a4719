import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ApiServer } from '../../io/api-server.ts';
import { silentLog } from '../../io/log.ts';
import { Fault } from '../../protocol/faults.ts';
import type { PreheatRequest } from '../preheat/preheat-request.ts';
import { Preheats } from '../preheat/preheats.ts';
import { addPreheats, OLD_PREHEAT_PATHS, PREHEAT_PATH } from './preheats.ts';

let api: ApiServer;
let asked: PreheatRequest[];
beforeEach(() => {
  asked = [];
  api = new ApiServer({ log: silentLog });
  let ids = 0;
  const preheats = new Preheats({
    unique: () => `p${ids++}`,
    check: (request) => void asked.push(request),
    plan: async () => {
      throw new Fault('source-refused', 'the registry says no');
    },
    hosts: () => new Map(),
    open: async () => {
      throw new Fault('internal', 'not reached');
    },
    fetch: async () => undefined,
    wall: () => 0,
  });
  addPreheats(api.app, preheats);
});
afterEach(() => api.close());

async function send(method: 'GET' | 'POST' | 'DELETE', url: string, payload?: object) {
  const { statusCode, body } = await api.app.inject({ method, url, ...(payload === undefined ? {} : { payload }) });
  return { status: statusCode, body: body === '' ? undefined : (JSON.parse(body) as Record<string, unknown>) };
}

describe('a preheat by HTTP', () => {
  test('becomes the request that was meant', async () => {
    const image = {
      ...{ type: 'image', url: 'registry.test/app:1', platform: 'linux/arm64', tag: 'nightly', insecure: true },
      ...{ scope: 'hosts', count: 3, idc: 'east', hosts: ['a', 'b'] },
      ...{ username: 'ann', password: 'secret', headers: { 'X-Key': '1' }, filter: 'sig&exp' },
    };
    expect(await send('POST', PREHEAT_PATH, image)).toMatchObject({ status: 201, body: { id: 'p0', scope: 'hosts' } });
    expect(asked[0]).toMatchObject({
      ...{ type: 'image', tag: 'nightly', insecure: true, filter: ['sig', 'exp'] },
      platform: { os: 'linux', architecture: 'arm64' },
      scope: { count: 3, idc: 'east', hosts: ['a', 'b'] },
      credential: { username: 'ann', password: 'secret' },
      headers: [['X-Key', '1']],
    });
  });

  test('is refused with the name of the field that is wrong', async () => {
    const right = { type: 'file', url: 'http://x/y' };
    for (const [wrong, name] of [
      [{ url: 'http://x/y' }, 'type'],
      [{ ...right, type: 'tape' }, 'type'],
      [{ ...right, scope: 'moon' }, 'scope'],
      [{ ...right, count: 0 }, 'count'],
      [{ ...right, digest: 'md4:12' }, 'digest'],
      [{ ...right, headers: { 'A B': 'x' } }, 'header'],
      [{ ...right, colour: 'red' }, 'colour'],
    ] as const)
      expect(await send('POST', PREHEAT_PATH, wrong)).toMatchObject({
        status: 400,
        body: { code: 'usage', message: expect.stringContaining(name) },
      });
    expect(asked).toEqual([]);
  });

  test('below the old paths has the old fields too, and takes fields that it does not know', async () => {
    for (const path of OLD_PREHEAT_PATHS) {
      const body = { type: 'file', url: `http://x${path}`, colour: 'red' };
      const made = await send('POST', path, body);
      expect(made.status).toBe(201);
      const id = String(made.body?.ID);
      expect(await send('GET', `${path}/${id}`)).toMatchObject({
        status: 200,
        body: { ID: id, id, status: 'FAILED', errorMsg: 'the registry says no', finishTime: expect.any(String) },
      });
      expect(await send('GET', path)).toMatchObject({
        body: { preheats: expect.arrayContaining([expect.objectContaining({ ID: id })]) },
      });
      expect((await send('DELETE', `${path}/${id}`)).status).toBe(204);
      expect((await send('GET', `${path}/${id}`)).status).toBe(404);
    }
  });

  test('is found by its tag', async () => {
    for (const tag of ['a', 'b']) await send('POST', PREHEAT_PATH, { type: 'file', url: `http://x/${tag}`, tag });
    const { body } = await send('GET', `${PREHEAT_PATH}?tag=b`);
    expect(body?.preheats).toMatchObject([{ tag: 'b', layers: [], hosts: [] }]);
  });
});
