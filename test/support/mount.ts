/** Small file systems of a test's own, where root may mount them. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Mounts a file system in memory and gives what unmounts it again, whoever still uses it. */
export function mountMemory(folder: string, options: string): () => void {
  mkdirSync(folder, { recursive: true });
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', folder], { stdio: 'ignore' });
  return () => void execFileSync('umount', ['-l', folder]);
}

export function canMount(): boolean {
  const place = mkdtempSync(join(tmpdir(), 'dragonfly-mount-'));
  try {
    mountMemory(place, 'size=1m')();
    return true;
  } catch {
    return false;
  } finally {
    rmdirSync(place);
  }
}
