import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { configure } from './configure-command.ts';

let root: string;
let said: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'dragonfly-configure-'));
  said = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true, force: true });
});

const at = (...names: string[]) => join(root, ...names);
const text = (...names: string[]) => readFileSync(at(...names), 'utf8');
const run = (...args: string[]) => {
  said = '';
  return configure([...args, '--root', root]);
};
function put(name: string, contents: string, mode = 0o644): void {
  mkdirSync(join(at(name), '..'), { recursive: true });
  writeFileSync(at(name), contents);
  chmodSync(at(name), mode);
}

const DAEMON = 'etc/docker/daemon.json';

describe('dfdaemon configure', () => {
  test('shows the difference and changes nothing in a dry run', async () => {
    put(DAEMON, '{\n  "debug": true\n}\n');
    expect(await run('docker', '--dry-run')).toBe(0);
    expect(said).toContain('--- /etc/docker/daemon.json\n');
    expect(said).toContain('+    "http://127.0.0.1:65001"\n');
    expect(text(DAEMON)).toBe('{\n  "debug": true\n}\n');
    expect(existsSync(at(`${DAEMON}.before-dfdaemon`))).toBe(false);
  });

  test('keeps a backup with the mode of the file, and undo brings the bytes back', async () => {
    const before = '{ "debug":true }';
    put(DAEMON, before, 0o600);
    await run('docker');
    expect(JSON.parse(text(DAEMON))).toEqual({ debug: true, 'registry-mirrors': ['http://127.0.0.1:65001'] });
    expect(text(`${DAEMON}.before-dfdaemon`)).toBe(before);
    expect([DAEMON, `${DAEMON}.before-dfdaemon`].map((name) => statSync(at(name)).mode & 0o777)).toEqual([
      0o600, 0o600,
    ]);
    await run('docker');
    expect(said).toContain('it is configured already');
    expect(text(`${DAEMON}.before-dfdaemon`)).toBe(before);
    await run('docker', '--undo');
    expect(text(DAEMON)).toBe(before);
    expect(existsSync(at(`${DAEMON}.before-dfdaemon`))).toBe(false);
    await run('docker', '--undo');
    expect(said).toContain('nothing to undo');
  });

  test('keeps what was edited after it, and the backup too', async () => {
    put(DAEMON, '{ "debug":true }');
    await run('docker');
    put(DAEMON, text(DAEMON).replace('true', 'false'));
    await run('docker', '--undo');
    expect(JSON.parse(text(DAEMON))).toEqual({ debug: false });
    expect(text(`${DAEMON}.before-dfdaemon`)).toBe('{ "debug":true }');
  });

  test('writes where a symbolic link leads and leaves the link', async () => {
    put('real/daemon.json', '{}');
    mkdirSync(at('etc/docker'), { recursive: true });
    symlinkSync(at('real/daemon.json'), at(DAEMON));
    await run('docker');
    expect(lstatSync(at(DAEMON)).isSymbolicLink()).toBe(true);
    expect(text('real/daemon.json')).toContain('65001');
  });

  test('configures containerd for several registries and undoes one of them, or all', async () => {
    mkdirSync(at('etc/containerd/certs.d'), { recursive: true });
    put('etc/containerd/certs.d/README', 'a file among the folders');
    await run('containerd', '--registry', 'docker.io,ghcr.io', '--registry', 'http://reg.test:5000');
    const hosts = (name: string) => at('etc/containerd/certs.d', name, 'hosts.toml');
    expect(['docker.io', 'ghcr.io', 'reg.test:5000'].map((name) => existsSync(hosts(name)))).toEqual([
      true,
      true,
      true,
    ]);
    expect(readFileSync(hosts('reg.test:5000'), 'utf8')).toContain('server = "http://reg.test:5000"');
    await run('containerd', '--undo', '--registry', 'ghcr.io');
    expect(['docker.io', 'ghcr.io'].map((name) => existsSync(hosts(name)))).toEqual([true, false]);
    await run('containerd', '--undo');
    expect(['docker.io', 'reg.test:5000'].map((name) => existsSync(hosts(name)))).toEqual([false, false]);
    expect(existsSync(at('etc/containerd/config.toml'))).toBe(false);
  });

  test('names another address, IPv6 too', async () => {
    await run('podman', '--address', '[fd00::1]:7000', '--registry', 'ghcr.io');
    expect(text('etc/containers/registries.conf.d/99-dragonfly.conf')).toContain('location = "[fd00::1]:7000/ghcr.io"');
  });

  test('refuses what makes no sense, and changes nothing', async () => {
    for (const args of [
      [],
      ['rkt'],
      ['docker', 'podman'],
      ['podman', '--registry', 'a/b'],
      ['docker', '--address', 'nowhere'],
      ['docker', '--registry', 'ghcr.io'],
    ])
      await expect(run(...args)).rejects.toMatchObject({ code: 'usage' });
    expect(existsSync(at('etc'))).toBe(false);
    expect(await run('--help')).toBe(0);
    expect(said).toContain('--dry-run');
  });
});
