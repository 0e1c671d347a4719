import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../io/log.ts';
import { rulesOf, upstreamTable } from './configuration.ts';
import { startDaemon } from './daemon.ts';
import { parseDfgetFlags } from './dfget-flags.ts';
import { readCommandLine, readSettings } from './settings.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dfd-settings-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(yaml: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  const file = join(folder, 'dfdaemon.yml');
  writeFileSync(file, yaml);
  return readSettings(readCommandLine(['--config', file, ...args]), env).values;
}

describe('the settings', () => {
  test('of a v1 file mean what they meant', async () => {
    writeFileSync(join(folder, 'ca.pem'), 'PEM');
    const settings = read(`
registry_mirror:
  remote: https://index.docker.io
  certs: [${join(folder, 'ca.pem')}]
proxies:
  - regx: blobs/sha256.*
  - regx: some-registry/.*
    direct: true
  - regx: no-https-reg
    use_https: true
    redirect: another-reg:8443
hijack_https:
  cert: df.crt
  key: df.key
  hosts:
    - regx: mirror.aliyuncs.com:443
      insecure: true
dfget_flags: ["--locallimit", "10M", "-f", "sig&exp"]
supernodes: [10.0.0.1, 10.0.0.2:8002]
ratelimit: 20M
maxprocs: 4
`);
    const table = await upstreamTable(settings);
    expect(table.standard).toMatchObject({ origin: 'https://registry-1.docker.io', trust: { cacerts: ['PEM'] } });
    expect(rulesOf(settings).map(({ p2p, useHttps, redirect }) => [p2p, useHttps, redirect])).toEqual([
      [true, false, undefined],
      [false, false, undefined],
      [true, true, 'another-reg:8443'],
    ]);
    expect(settings.hijack_https?.hosts[0]?.regx.test('Mirror.aliyuncs.com:443')).toBe(true);
    expect(parseDfgetFlags(settings.dfget_flags)).toMatchObject({
      locallimit: 10 * 1024 * 1024,
      filter: ['sig', 'exp'],
    });
    expect([settings.supernodes, settings.ratelimit]).toEqual([['10.0.0.1', '10.0.0.2:8002'], 20 * 1024 * 1024]);
  });

  test('come from a flag before the environment before the file', () => {
    const env = { DFDAEMON_PORT: '2', DFDAEMON_REGISTRY_MIRROR: '{"remote":"http://r:1"}' };
    expect(read('port: 1', ['--port', '3'], env).port).toBe(3);
    expect(read('port: 1', [], env).port).toBe(2);
    expect(read('port: 1', [], env).registry_mirror.remote).toBe('http://r:1');
    expect(read('port: 1', ['--registry', 'quay.io'], env).registry_mirror.remote).toBe('https://quay.io');
  });

  test.each([
    ['prot: 1', 'prot'],
    ['registry_mirror: {remot: x}', 'remot'],
    ['proxies: [{regx: "("}]', 'proxies'],
    ['registries: [{host: a, credentials: mine}]', 'registries'],
    ['registry_mirror: {remote: "https://user@host"}', 'registry_mirror'],
  ])('%s is refused, and named', (yaml, name) => {
    expect(() => read(yaml)).toThrow(name);
  });

  test('that are wrong are said before anything runs', async () => {
    const home = join(folder, 'home');
    const settings = read(`hijack_https: {cert: ${folder}/none.crt, key: ${folder}/none.key, hosts: [{regx: x}]}`, [
      '--workHome',
      home,
    ]);
    await expect(startDaemon(settings, { log: silentLog, version: 'test' })).rejects.toThrow('none.');
    expect(existsSync(join(home, 'agent.sock'))).toBe(false);
  });

  test('own credentials need both halves', async () => {
    const settings = read('registries: [{host: r.lan, credentials: own, username: u}]');
    await expect(upstreamTable(settings)).rejects.toThrow('password_file');
  });

  test.each([[['--url', 'x']], [['surplus']], [['--pattern', 'best']]])('dfget_flags %j have no meaning', (flags) => {
    expect(() => parseDfgetFlags(flags)).toThrow();
  });
});
