/** The plans, from texts to texts: what is added, what is left alone, what a second run does, what undo brings back. */
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { ENGINES } from './engines.ts';
import type { Engine, Files, Plan, Registry, Request } from './plan.ts';

const ADDRESS = '127.0.0.1:65001';
const HUB: Registry = { name: 'docker.io', url: 'https://registry-1.docker.io' };
const GHCR: Registry = { name: 'ghcr.io', url: 'https://ghcr.io' };
const LOCAL: Registry = { name: 'reg.test:5000', url: 'http://reg.test:5000' };

function engine(name: string): Engine {
  const found = ENGINES[name];
  if (found === undefined) throw new Error(name);
  return found;
}

const asked = (...registries: Registry[]): Request => ({ address: ADDRESS, registries });
const files = (entries: Readonly<Record<string, string>>): Files => new Map(Object.entries(entries));

function apply(before: Files, { edits }: Plan): Files {
  const after = new Map(before);
  for (const edit of edits) {
    expect(edit.before).toBe(before.get(edit.path));
    if (edit.after === undefined) after.delete(edit.path);
    else after.set(edit.path, edit.after);
  }
  return after;
}

/** Applies a plan, checks that a second one is empty and that undoing it brings everything back. */
function roundTrip(name: string, before: Files, request: Request): Files {
  const after = apply(before, engine(name).plan(before, request));
  expect(engine(name).plan(after, request).edits).toEqual([]);
  const undone = apply(after, engine(name).undo(after, before, request));
  expect(Object.fromEntries(undone)).toEqual(Object.fromEntries(before));
  expect(engine(name).undo(undone, new Map(), request).edits).toEqual([]);
  return after;
}

const CONFIG = '/etc/containerd/config.toml';
const hostsOf = (registry: string) => `/etc/containerd/certs.d/${registry}/hosts.toml`;

describe('containerd', () => {
  test('gets a hosts.toml with server, host and header, and the folder in config.toml', () => {
    const after = roundTrip('containerd', files({}), asked(HUB));
    expect(after.get(hostsOf('docker.io'))).toBe(
      `# >>> dfdaemon: made by "dfdaemon configure", taken out by "--undo"
server = "https://registry-1.docker.io"

[host."http://127.0.0.1:65001"]
  capabilities = ["pull", "resolve"]
  [host."http://127.0.0.1:65001".header]
    X-Dragonfly-Registry = ["https://registry-1.docker.io"]
# <<< dfdaemon
`,
    );
    expect(parse(after.get(CONFIG) ?? '')).toEqual({
      version: 2,
      plugins: { 'io.containerd.grpc.v1.cri': { registry: { config_path: '/etc/containerd/certs.d' } } },
    });
  });

  test('asks for every registry when none is named', () => {
    const after = roundTrip('containerd', files({}), asked());
    const hosts = parse(after.get(hostsOf('_default')) ?? '');
    expect(hosts).toEqual({ host: { 'http://127.0.0.1:65001': { capabilities: ['pull', 'resolve'] } } });
  });

  test('goes before the hosts that are there, keeps their server, comments and order', () => {
    const own = `# ours since 2020
server = "https://other.test"
ca = "/ca.crt"

# the old mirror
[host."https://mirror.test"]
  capabilities = ["pull"]
[host."https://second.test"]`;
    const after = roundTrip('containerd', files({ [hostsOf('ghcr.io')]: own }), asked(GHCR));
    const text = after.get(hostsOf('ghcr.io')) ?? '';
    const table = parse(text);
    expect(Object.keys(table.host ?? {})).toEqual([
      'http://127.0.0.1:65001',
      'https://mirror.test',
      'https://second.test',
    ]);
    expect(table).toMatchObject({ server: 'https://other.test', ca: '/ca.crt' });
    expect(text).toContain('X-Dragonfly-Registry = ["https://other.test"]');
    expect(text).toContain('# the old mirror\n[host."https://mirror.test"]');
  });

  test('follows the folder that config.toml names, and leaves config.toml alone then', () => {
    const config = `version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\n  config_path = "/my/certs:/etc/docker"\n`;
    const after = roundTrip('containerd', files({ [CONFIG]: config }), asked(LOCAL));
    expect(after.get(CONFIG)).toBe(config);
    expect(after.get('/my/certs/reg.test:5000/hosts.toml')).toContain('server = "http://reg.test:5000"');
  });

  test('fills the empty config_path of a dumped default configuration and brings it back', () => {
    const config = `version = 2
[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "pause"
    [plugins."io.containerd.grpc.v1.cri".registry]
      config_path = ""
      [plugins."io.containerd.grpc.v1.cri".registry.mirrors]
  [plugins."io.containerd.gc.v1.scheduler"]
    config_path = ""
`;
    const after = roundTrip('containerd', files({ [CONFIG]: config }), asked(HUB));
    const table = parse(after.get(CONFIG) ?? '') as { plugins: Record<string, object> };
    expect(table.plugins['io.containerd.grpc.v1.cri']).toMatchObject({
      sandbox_image: 'pause',
      registry: { config_path: '/etc/containerd/certs.d', mirrors: {} },
    });
    expect(table.plugins['io.containerd.gc.v1.scheduler']).toEqual({ config_path: '' });
  });

  test('adds config_path to a registry table without one, and the table where there is none', () => {
    const head = '[plugins."io.containerd.grpc.v1.cri".registry]';
    for (const config of [
      `version = 2\n${head} # here\n\n[debug]\n  level = "info"\n`,
      'version = 2\n[debug]\n  level = "info"',
    ]) {
      const after = roundTrip('containerd', files({ [CONFIG]: config }), asked(HUB));
      expect(parse(after.get(CONFIG) ?? '')).toMatchObject({
        debug: { level: 'info' },
        plugins: { 'io.containerd.grpc.v1.cri': { registry: { config_path: '/etc/containerd/certs.d' } } },
      });
    }
  });

  test('says what to do where config.toml cannot be edited without harm', () => {
    const cri = '[plugins."io.containerd.grpc.v1.cri".registry';
    for (const [config, note] of [
      [`version = 2\n${cri}.mirrors."docker.io"]\n endpoint = ["https://m"]\n`, 'registry.mirrors'],
      ['[plugins.cri.registry]\n', 'old form'],
      ['version = 2\n[plugins]\n"io.containerd.grpc.v1.cri" = { registry = { x = 1 } }\n', 'add to'],
    ] as const) {
      const { edits, notes } = engine('containerd').plan(files({ [CONFIG]: config }), asked(HUB));
      expect(edits.map(({ path }) => path)).toEqual([hostsOf('docker.io')]);
      expect(notes.join('\n')).toContain(note);
    }
  });

  test('keeps later edits at undo and takes only our lines', () => {
    const before = files({ [hostsOf('ghcr.io')]: 'server = "https://ghcr.io"\n' });
    const after = new Map(apply(before, engine('containerd').plan(before, asked(GHCR))));
    after.set(hostsOf('ghcr.io'), `${after.get(hostsOf('ghcr.io'))}[host."https://new.test"]\n`);
    const undone = apply(after, engine('containerd').undo(after, before, asked()));
    expect(undone.get(hostsOf('ghcr.io'))).toBe('server = "https://ghcr.io"\n[host."https://new.test"]\n');
  });

  test('moves to another address without leaving the old one, and leaves lines written by hand', () => {
    const first = apply(files({}), engine('containerd').plan(files({}), asked(HUB)));
    const moved = apply(first, engine('containerd').plan(first, { ...asked(HUB), address: '10.0.0.1:65001' }));
    expect(Object.keys(parse(moved.get(hostsOf('docker.io')) ?? '').host ?? {})).toEqual(['http://10.0.0.1:65001']);
    const byHand = files({ [hostsOf('docker.io')]: '[host."http://127.0.0.1:65001"]\n' });
    const { edits, notes } = engine('containerd').plan(byHand, asked(HUB));
    expect(edits.map(({ path }) => path)).toEqual([CONFIG]);
    expect(notes[0]).toContain('not ours');
  });

  test('does not touch what it cannot read', () => {
    const broken = files({ [hostsOf('docker.io')]: '[host' });
    expect(() => engine('containerd').plan(broken, asked(HUB))).toThrow(/not touched/);
  });
});

const DAEMON = '/etc/docker/daemon.json';

describe('docker', () => {
  test('gets the mirror as the first of its list, everything else and the indent kept', () => {
    expect(roundTrip('docker', files({}), asked()).get(DAEMON)).toBe(
      '{\n  "registry-mirrors": [\n    "http://127.0.0.1:65001"\n  ]\n}\n',
    );
    const own = '{\n\t"debug": true,\n\t"registry-mirrors": ["https://m.test"]\n}';
    const after = roundTrip('docker', files({ [DAEMON]: own }), asked(HUB));
    expect(JSON.parse(after.get(DAEMON) ?? '')).toEqual({
      debug: true,
      'registry-mirrors': ['http://127.0.0.1:65001', 'https://m.test'],
    });
    expect(after.get(DAEMON)).toContain('\n\t"debug"');
    roundTrip('docker', files({ [DAEMON]: '{"registry-mirrors":[]}' }), asked());
    roundTrip('docker', files({ [DAEMON]: '' }), asked());
  });

  test('keeps later edits at undo', () => {
    const after = files({ [DAEMON]: '{"registry-mirrors":["http://127.0.0.1:65001"],"debug":true}' });
    const undone = apply(after, engine('docker').undo(after, files({ [DAEMON]: '{}' }), asked()));
    expect(JSON.parse(undone.get(DAEMON) ?? '')).toEqual({ debug: true });
  });

  test('refuses other registries and files that are not what they should be', () => {
    expect(() => engine('docker').plan(files({}), asked(GHCR))).toThrow(/docker.io alone/);
    for (const text of ['{', '[]', '{"registry-mirrors":"x"}'])
      expect(() => engine('docker').plan(files({ [DAEMON]: text }), asked())).toThrow(/not touched/);
  });
});

const MAIN = '/etc/containers/registries.conf';
const DROP_IN = '/etc/containers/registries.conf.d';
const OURS = `${DROP_IN}/99-dragonfly.conf`;

describe('podman and crio', () => {
  test('get a file of their own with the registry in the path of the mirror', () => {
    for (const name of ['podman', 'crio']) {
      const after = roundTrip(name, files({ [MAIN]: 'unqualified-search-registries = ["docker.io"]\n' }), asked(GHCR));
      expect(parse(after.get(OURS) ?? '')).toEqual({
        registry: [
          {
            prefix: 'ghcr.io',
            location: 'ghcr.io',
            mirror: [{ location: '127.0.0.1:65001/ghcr.io', insecure: true }],
          },
        ],
      });
    }
  });

  test('repeat what the last of the other files says of the registry', () => {
    const before = files({
      [MAIN]: '[[registry]]\nlocation = "reg.test:5000"\ninsecure = false\n',
      [`${DROP_IN}/10.conf`]:
        '[[registry]]\nprefix = "reg.test:5000"\nlocation = "real.test"\ninsecure = true\n[[registry.mirror]]\nlocation = "m.test"\n',
    });
    const after = roundTrip('podman', before, asked(LOCAL));
    expect(parse(after.get(OURS) ?? '')).toEqual({
      registry: [
        {
          prefix: 'reg.test:5000',
          location: 'real.test',
          insecure: true,
          mirror: [{ location: '127.0.0.1:65001/real.test', insecure: true }, { location: 'm.test' }],
        },
      ],
    });
  });

  test('add up over several runs, and lose one registry or all', () => {
    const podman = engine('podman');
    const first = apply(files({}), podman.plan(files({}), asked(LOCAL)));
    const both = apply(first, podman.plan(first, asked(GHCR)));
    const prefixes = (now: Files) =>
      (parse(now.get(OURS) ?? '').registry as { prefix: string; insecure?: boolean }[]).map(({ prefix }) => prefix);
    expect(prefixes(both)).toEqual(['reg.test:5000', 'ghcr.io']);
    expect(both.get(OURS)).toContain('location = "reg.test:5000"\ninsecure = true');
    const one = apply(both, podman.undo(both, new Map(), asked(LOCAL)));
    expect(prefixes(one)).toEqual(['ghcr.io']);
    expect(apply(both, podman.undo(both, new Map(), asked())).has(OURS)).toBe(false);
  });

  test('say no to a blocked registry, an old form and a broken file', () => {
    for (const [text, why] of [
      ['[[registry]]\nprefix = "ghcr.io"\nblocked = true\n', /blocked/],
      ['[registries.search]\nregistries = ["docker.io"]\n', /version 1/],
      ['[[registry', /cannot be read/],
    ] as const)
      expect(() => engine('podman').plan(files({ [MAIN]: text }), asked(GHCR))).toThrow(why);
  });
});
