import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { FLAGS, readCommandLine, readSettings, SHAPE } from './settings.ts';

const page = readFileSync(new URL('../../docs/supernode.md', import.meta.url), 'utf8');

describe('the settings of the supernode', () => {
  it.each(Object.keys(SHAPE))('%s stands in docs/supernode.md', (name) => {
    expect(page).toContain(`\`${name}\``);
  });

  it('come from flag, environment and default, in this order', () => {
    const line = readCommandLine(['--port', '1', '--config', '/dev/null']);
    const { values } = readSettings(line, { SUPERNODE_LISTEN_PORT: '2', SUPERNODE_DOWNLOAD_PORT: '3' });
    expect(values).toMatchObject({ listenPort: 1, downloadPort: 3, taskExpireTime: 180_000 });
  });

  it('have no flag that is not documented', () => {
    for (const name of Object.keys(FLAGS).filter((flag) => !/^(help|config|s3-)/.test(flag)))
      expect(page).toContain(`--${name}`);
  });
});
