/** fs.write of an agent whose disk takes no byte: the error that the kernel gives for a broken sector. Files that are open already included. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { strikes } from './fault.ts';

type Done = (error: NodeJS.ErrnoException | null, written: number, data: Uint8Array) => void;
type Write = (fd: number, data: Uint8Array, at: number, bytes: number, position: number, done: Done) => void;

const honest = fs.write as unknown as Write;

const write: Write = (fd, data, at, bytes, position, done) => {
  if (!strikes('eio', `${position}`)) {
    honest(fd, data, at, bytes, position, done);
    return;
  }
  const error = Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO', errno: -5, syscall: 'write' });
  setImmediate(() => done(error, 0, data));
};

Object.assign(fs, { write });
syncBuiltinESMExports();
