/**
 * One process per folder. The lock is a file that names its owner by process id and start time, so that a dead owner's
 * lock is seen and taken over even when its process id was given to somebody else since. Taking over is done inside a
 * second lock (a folder, made atomically), so that of two processes that see the same dead owner one wins.
 *
 * All calls are synchronous: they are few, at start and end, and the takeover stays some microseconds short.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { Fault } from '../protocol/faults.ts';
import { diskFault, errnoOf } from './disk.ts';

type Owner = { readonly pid: number; readonly start: string; readonly nonce: string };

const MAX_ATTEMPTS = 20;
/** A takeover takes microseconds; one that is as old as this was killed in the middle. */
const ABANDONED_TAKEOVER_MS = 5_000;

export class LockFile {
  readonly #path: string;
  readonly #owner: Owner;

  private constructor(path: string, owner: Owner) {
    this.#path = path;
    this.#owner = owner;
  }

  /** Fault local-io when a living process holds it. */
  static take(path: string): LockFile {
    const owner = { pid: process.pid, start: startTimeOf(process.pid), nonce: randomBytes(8).toString('hex') };
    try {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        if (place(path, owner)) return new LockFile(path, owner);
        const holder = ownerOf(path);
        if (holder !== undefined && alive(holder)) {
          throw new Fault(
            'local-io',
            `cannot use ${path}: process ${holder.pid} uses it; stop that one or choose another home`,
          );
        }
        removeDead(path, holder);
      }
    } catch (error) {
      throw diskFault(error, 'lock', path);
    }
    throw new Fault('local-io', `cannot lock ${path}: other processes are taking it at the same time; try again`);
  }

  /** A living process holds it. */
  static held(path: string): boolean {
    const owner = ownerOf(path);
    return owner !== undefined && alive(owner);
  }

  /** Removes the lock of an owner that has died; one that lives keeps it. Never throws: who sweeps comes again. */
  static sweep(path: string): void {
    try {
      const owner = ownerOf(path);
      if (owner !== undefined && !alive(owner)) removeDead(path, owner);
    } catch {
      // A full or read-only disk: the next owner takes a dead one's lock over in any case.
    }
  }

  release(): void {
    try {
      if (ownerOf(this.#path)?.nonce === this.#owner.nonce) fs.unlinkSync(this.#path);
    } catch (error) {
      throw diskFault(error, 'unlock', this.#path);
    }
  }
}

/** A link appears with its whole content or not at all, and fails when the name is taken. */
function place(path: string, owner: Owner): boolean {
  const fresh = `${path}.${owner.nonce}`;
  fs.writeFileSync(fresh, JSON.stringify(owner));
  try {
    fs.linkSync(fresh, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    fs.unlinkSync(fresh);
  }
}

/** Undefined when there is no lock or it cannot be understood, which is a dead owner's too. */
function ownerOf(path: string): Owner | undefined {
  const text = ignore('ENOENT', () => fs.readFileSync(path, 'utf8'));
  if (text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, start, nonce } = value as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof start !== 'string' || typeof nonce !== 'string') return undefined;
    return { pid, start, nonce };
  } catch {
    return undefined;
  }
}

function alive(owner: Owner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    // EPERM: it lives and is somebody else's.
    if (errnoOf(error) !== 'EPERM') return false;
  }
  const stat = statOf(owner.pid);
  // One that has ended stays in the list of processes until its parent looks at it, which some first processes of containers never do.
  return stat[STATE] !== 'Z' && (stat[START] ?? '') === owner.start;
}

const STATE = 0;
/** Clock ticks from boot to the start of the process. */
const START = 19;

function startTimeOf(pid: number): string {
  return statOf(pid)[START] ?? '';
}

/** What the system says of a process, from its state on; nothing where the system does not tell. */
function statOf(pid: number): readonly string[] {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in brackets, which may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

function removeDead(path: string, seen: Owner | undefined): void {
  const takeover = `${path}.takeover`;
  try {
    fs.mkdirSync(takeover);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    const since = ignore('ENOENT', () => fs.statSync(takeover).mtimeMs) ?? 0;
    if (Date.now() - since > ABANDONED_TAKEOVER_MS) ignore('ENOENT', () => fs.rmdirSync(takeover));
    return;
  }
  try {
    if (ownerOf(path)?.nonce === seen?.nonce) ignore('ENOENT', () => fs.unlinkSync(path));
  } finally {
    fs.rmdirSync(takeover);
  }
}

function ignore<T>(errno: string, work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (errnoOf(error) === errno) return undefined;
    throw error;
  }
}
