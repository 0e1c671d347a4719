/** The limits of a host are changed while downloads run. At the old limit none of these would end before the test does. */
import { writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { startDownload } from '../support/download.ts';
import { type Agent, Lab, type Supernode } from '../support/lab.ts';
import { Sample } from '../support/sample.ts';
import type { TestSource } from '../support/source.ts';

const MIB = 1024 * 1024;
const CRAWL = '32K';

let lab: Lab;
let source: TestSource;
let supernode: Supernode;
beforeEach(async () => {
  lab = new Lab();
  [source, supernode] = [await lab.source(), await lab.supernode()];
});
afterEach(() => lab.close());

function setLimits(agent: Agent, limits: object): Promise<string> {
  return new Promise((done, fail) => {
    const asked = request(
      {
        socketPath: join(agent.home, 'agent.sock'),
        method: 'PATCH',
        path: '/v1/limits',
        headers: { 'content-type': 'application/json' },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (part) => {
          text += part;
        });
        answer.on('end', () => done(text));
      },
    );
    asked.on('error', fail);
    asked.end(JSON.stringify(limits));
  });
}

it.each(['p2p', 'source'])('by the API of the agent: a %s download', async (pattern) => {
  const agent = await lab.agent('127.0.0.2', supernode.node, '--totallimit', CRAWL);
  const sample = new Sample(8 * MIB, 1);
  const url = source.serve('api.bin', sample);
  const running = startDownload(lab, agent, url, lab.path('api'), '--pattern', pattern);
  await running.running.until((said) => said.includes('"opened"'));
  expect(JSON.parse(await setLimits(agent, { down: null }))).toEqual({ down: null, up: 32 * 1024 });
  expect(await running.ended).toMatchObject({ code: 0 });
  expect(await lab.sha256(lab.path('api'))).toBe(sample.digest());
});

it('by SIGHUP, from the properties', async () => {
  const config = lab.path('dfget.yml');
  writeFileSync(config, `totalLimit: ${CRAWL}\n`);
  const agent = await lab.agent('127.0.0.2', supernode.node, '--config', config);
  const sample = new Sample(8 * MIB, 3);
  const running = startDownload(lab, agent, source.serve('hup.bin', sample), lab.path('hup'));
  await running.running.until((said) => said.includes('"opened"'));
  writeFileSync(config, 'totalLimit: 1G\n');
  agent.running.child.kill('SIGHUP');
  expect(await running.ended).toMatchObject({ code: 0 });
  expect(await lab.sha256(lab.path('hup'))).toBe(sample.digest());
});
