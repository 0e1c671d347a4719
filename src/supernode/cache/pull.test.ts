import { describe, expect, it } from 'vitest';
import { NO_HOSTS } from '../cluster/no-hosts.fixture.ts';
import { cacheLab, filled, specOf } from './cache.fixture.ts';

const MIB = 1024 * 1024;

describe('pieces brought from the source because nobody has them', () => {
  it('are no more than those that nobody has by then', async () => {
    const first = cacheLab();
    const bytes = Buffer.alloc(48 * MIB, 'content');
    const spec = specOf('http://source/large');
    first.source.serve(spec.url, { bytes, etag: '"1"', freshForMs: 60_000 });
    const { manifest } = (await filled(first, spec)).entry;
    const before = first.source.bytesRead;
    expect(before).toBe(bytes.length);
    // A host that holds all of it comes while the first bytes are being read.
    const hold = () => first.source.bytesRead > before;
    const second = cacheLab({
      beside: first,
      hosts: { ...NO_HOSTS, hold },
      manifestFromHosts: async () => manifest,
    });
    await second.open(spec);
    await expect.poll(() => first.source.bytesRead, { timeout: 20_000 }).toBeGreaterThan(before);
    await second.cache.close();
    const again = first.source.bytesRead - before;
    // What was asked for already comes to its end: four reads of 8 MiB, each to the end of a step of the source.
    expect(again).toBeLessThanOrEqual(33 * MIB);
  }, 60_000);
});
