import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { envName, loadSettings, printSettings, setting } from './config.ts';

const shape = {
  listenPort: setting.port.default(8002),
  maxBandwidth: setting.rate.optional(),
  taskExpireTime: setting.duration.default(180_000),
  debug: setting.flag.default(false),
  nodes: setting.list.default([]),
};

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(`${tmpdir()}/config-`);
});
afterEach(() => rmSync(dir, { recursive: true }));

function load(yaml: string | undefined, more: { flags?: Record<string, unknown>; env?: Record<string, string> } = {}) {
  const file = `${dir}/supernode.yml`;
  if (yaml !== undefined) writeFileSync(file, yaml);
  return loadSettings({
    program: 'supernode',
    shape,
    flags: more.flags ?? {},
    env: more.env ?? {},
    file,
    explicitFile: false,
  });
}

describe('settings', () => {
  it('come from flag, environment, file and default, in this order', () => {
    const loaded = load('listenPort: 1\nmaxBandwidth: 20M\ndebug: true\n', {
      flags: { listenPort: 3 },
      env: { SUPERNODE_LISTEN_PORT: '2', SUPERNODE_DEBUG: 'false', OTHER: 'x' },
    });
    expect(loaded.values).toEqual({
      listenPort: 3,
      maxBandwidth: 20 * 1024 * 1024,
      taskExpireTime: 180_000,
      debug: false,
      nodes: [],
    });
    expect(loaded.layers).toMatchObject({ listenPort: 'flag', maxBandwidth: 'file', debug: 'env', nodes: 'default' });
  });

  it('may stand below base, as in the old system, and lists may be texts', () => {
    expect(load('base:\n  taskExpireTime: 3m\nnodes: "a, b"\n').values).toMatchObject({
      taskExpireTime: 180_000,
      nodes: ['a', 'b'],
    });
    expect(load('nodes: [a, 1]\n').values.nodes).toEqual(['a', '1']);
  });

  it.each([
    ['listenport: 1', /unknown setting "listenport" in .*supernode\.yml; known are listenPort, maxBandwidth/],
    ['maxBandwidth: fast', /^maxBandwidth in .*supernode\.yml: "fast" is no rate/],
    ['listenPort: 70000', /^listenPort in .*supernode\.yml/],
    ['- a', /must hold settings/],
    ['a: [', /^cannot read the configuration file/],
    ['base: 3', /base in .* must hold settings/],
  ])('of a file with %j are refused in one line', (yaml, message) => {
    let text = '';
    try {
      load(yaml);
    } catch (error) {
      text = (error as Error).message;
    }
    expect(text).toMatch(message);
    expect(text).not.toContain('\n');
  });

  it('name a wrong or unknown variable of the environment', () => {
    expect(() => load(undefined, { env: { SUPERNODE_LISTEN_PORT: 'x' } })).toThrow(
      'listenPort in SUPERNODE_LISTEN_PORT',
    );
    expect(() => load(undefined, { env: { SUPERNODE_PORTT: '1' } })).toThrow(
      'unknown setting "SUPERNODE_PORTT" in the environment',
    );
  });

  it('are not what Kubernetes says of a service with the same name', () => {
    const env = {
      SUPERNODE_SERVICE_HOST: '10.0.0.1',
      SUPERNODE_PORT: 'tcp://10.0.0.1:8002',
      SUPERNODE_PORT_8002_TCP_ADDR: '10.0.0.1',
    };
    expect(load(undefined, { env }).values.listenPort).toBe(8002);
    expect(load(undefined, { env: { SUPERNODE_LISTEN_PORT: '9' } }).values.listenPort).toBe(9);
  });

  it('need the file only where the user named one', () => {
    expect(load(undefined).file).toBeUndefined();
    const named = { program: 'supernode', shape, flags: {}, env: {}, file: `${dir}/none.yml`, explicitFile: true };
    expect(() => loadSettings(named)).toThrow('there is no configuration file');
  });

  it('print as the YAML that makes them', () => {
    const { values } = load('listenPort: 5\nnodes: [a]\n');
    writeFileSync(`${dir}/again.yml`, printSettings({ ...values, taskExpireTime: '180s' }));
    const again = loadSettings({
      program: 'supernode',
      shape,
      flags: {},
      env: {},
      file: `${dir}/again.yml`,
      explicitFile: true,
    });
    expect(again.values).toEqual(values);
    expect(envName('failAccessInterval')).toBe('FAIL_ACCESS_INTERVAL');
  });
});
