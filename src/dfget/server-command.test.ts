import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentSettings } from './server-command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dragonfly-server-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function file(text: string): string {
  const path = join(folder, 'dfget.yml');
  writeFileSync(path, text);
  return path;
}

describe('the settings of an agent', () => {
  it('come from the properties, and from flags before them', async () => {
    const config = file('nodes: [10.0.0.1, 10.0.0.2]\nidc: east\nlocation: row-2|rack-7\ntotalLimit: 10M\n');
    const settings = await agentSettings(['--home', folder, '--config', config, '--idc', 'west']);
    expect(settings).toMatchObject({
      home: folder,
      nodes: ['10.0.0.1', '10.0.0.2'],
      site: { idc: 'west', location: 'row-2|rack-7' },
      totalLimit: 10 * 1024 * 1024,
    });
  });

  it.each([
    [['--ip', 'nowhere'], '--ip wants'],
    [['--port', '70000'], 'above 65535'],
    [['--idc', 'x'.repeat(256)], '--idc has more than'],
    [['extra'], 'takes no'],
  ])('refuses %j', async (args, message) => {
    await expect(agentSettings(['--home', folder, '--config', file(''), ...args])).rejects.toThrow(message);
  });

  it('reads the limit again when it is asked to', async () => {
    const config = file('totalLimit: 1M\n');
    const settings = await agentSettings(['--home', folder, '--config', config]);
    file('totalLimit: 2M\n');
    expect(await settings.reloadLimit?.()).toBe(2 * 1024 * 1024);
  });
});
