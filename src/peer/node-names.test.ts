import { describe, expect, it } from 'vitest';
import { silentLog } from '../io/log.ts';
import { placeOf } from './node-list.ts';
import { NodeNames } from './node-names.ts';

function namesWith(own: readonly string[], answers: Record<string, readonly string[] | Error>) {
  const asked: string[] = [];
  const names = new NodeNames(own, {
    patienceMs: 10_000,
    log: silentLog,
    againMs: 0,
    resolve: async (host) => {
      asked.push(host);
      const answer = answers[host] ?? new Error('ENOTFOUND');
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  const places = () => names.own.roster.configured.map(placeOf);
  return { names, asked, answers, places };
}

describe('the names of supernodes', () => {
  it('stay names with one address, and are as many supernodes as they have addresses', async () => {
    const { names, places, asked } = namesWith(['one', 'many:7=2', '10.0.0.9'], {
      one: ['10.0.0.1'],
      many: ['10.0.0.2', '10.0.0.3'],
    });
    await names.own.ready;
    expect(places()).toEqual(['one:8002', '10.0.0.2:7', '10.0.0.3:7', '10.0.0.9:8002']);
    expect(names.own.roster.configured.map(({ weight }) => weight)).toEqual([1, 2, 2, 1]);
    expect(asked).toEqual(['one', 'many']);
  });

  it('are asked for again, and keep their last addresses when nobody knows them', async () => {
    const { names, places, answers } = namesWith(['many'], { many: ['10.0.0.2', '10.0.0.3'] });
    await names.own.ready;
    answers.many = ['10.0.0.3', '10.0.0.4'];
    expect(await names.again('many')).toBe(true);
    expect(places()).toEqual(['10.0.0.3:8002', '10.0.0.4:8002']);
    expect(await names.again()).toBe(false);
    answers.many = new Error('ESERVFAIL');
    expect(await names.again('many')).toBe(false);
    expect(places()).toEqual(['10.0.0.3:8002', '10.0.0.4:8002']);
    expect(await names.again('10.0.0.3')).toBe(false);
  });

  it('nobody knows are tried as they are', async () => {
    const { names, places } = namesWith(['nowhere'], {});
    await names.own.ready;
    expect(places()).toEqual(['nowhere:8002']);
  });

  it('nobody waits for a resolver that is silent', async () => {
    const names = new NodeNames(['slow'], {
      patienceMs: 20,
      log: silentLog,
      resolve: () => new Promise(() => undefined),
    });
    await names.own.ready;
    expect(names.own.roster.configured).toHaveLength(1);
  });

  it('of lists that downloads bring are remembered, the oldest forgotten first', () => {
    const { names } = namesWith(['10.0.0.1'], {});
    for (let n = 0; n < 80; n++) names.add([`10.0.1.${n}`]);
    expect(names.known(['10.0.1.79'])).toBeDefined();
    expect(names.known(['10.0.1.0'])).toBeUndefined();
    expect([...names.all]).toHaveLength(65);
    expect(names.known([])).toBe(names.own);
  });
});
