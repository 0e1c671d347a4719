/** fs.write and fs.writeSync of an agent whose disk takes no byte: the error that the kernel gives for a broken sector. Files that are open already included. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { strikes } from './fault.ts';

type Done = (error: NodeJS.ErrnoException | null, written: number, data: Uint8Array) => void;
type Write = (fd: number, data: Uint8Array, at: number, bytes: number, position: number, done: Done) => void;
type WriteSync = (fd: number, data: Uint8Array, at: number, bytes: number, position: number) => number;

const honest = { write: fs.write as unknown as Write, writeSync: fs.writeSync as unknown as WriteSync };

const broken = () => Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO', errno: -5, syscall: 'write' });

const write: Write = (fd, data, at, bytes, position, done) => {
  if (strikes('eio', `${position}`)) setImmediate(() => done(broken(), 0, data));
  else honest.write(fd, data, at, bytes, position, done);
};

const writeSync: WriteSync = (fd, data, at, bytes, position) => {
  if (strikes('eio', `${position}`)) throw broken();
  return honest.writeSync(fd, data, at, bytes, position);
};

Object.assign(fs, { write, writeSync });
syncBuiltinESMExports();
