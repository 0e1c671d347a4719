/**
 * Runs the program again in namespaces of its own: network, mounts and processes. When its first process ends, by whatever means, the
 * kernel ends all the others and takes links and mounts away. Needs root.
 */
import { spawn, spawnSync } from 'node:child_process';

const UNSHARE = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];
const GRACE_MS = 30_000;

export function canUnshare(): boolean {
  if (process.getuid?.() !== 0) return false;
  const check = 'ip link add br0 type bridge && ip link add eth0 type veth peer name v0 && mount -t tmpfs tmpfs /mnt';
  return spawnSync('unshare', [...UNSHARE, 'sh', '-c', check], { stdio: 'ignore' }).status === 0;
}

/** Resolves with the exit code. A signal closes the standard input of the other, which then ends what it does. */
export function runInside(script: string, args: readonly string[]): Promise<number> {
  // The shell is the first process there: unlike a Node it reaps those whose parents were killed.
  const shell = ['bash', '-c', '"$@" <&0 & wait $!', 'bash'];
  const child = spawn('unshare', [...UNSHARE, ...shell, process.execPath, script, ...args], {
    stdio: ['pipe', 'inherit', 'inherit'],
    detached: true,
  });
  let hard: NodeJS.Timeout | undefined;
  const stop = () => {
    child.stdin.end();
    hard ??= setTimeout(() => child.kill('SIGKILL'), GRACE_MS);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  child.stdin.on('error', () => undefined); // it may have ended already
  return new Promise((done) => {
    child.on('error', () => done(1));
    child.on('exit', (code) => {
      clearTimeout(hard);
      done(code ?? 1);
    });
  });
}
