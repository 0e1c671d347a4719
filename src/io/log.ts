/**
 * The log: one JSON line per event. Secrets never reach it: fields called headers, authorization, cookie, token or
 * cacerts are blotted out at the top and one level down. A log file is bounded: full, it becomes `<file>.1`.
 */
import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { type Logger, pino } from 'pino';
import { Fault } from '../protocol/faults.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  child(fields: object): Log;
}

export type LogOptions = {
  readonly program: string;
  readonly level?: LogLevel;
  /** Appended to; moved to `<file>.1` when it passes maxFileBytes. */
  readonly file?: string;
  readonly maxFileBytes?: number;
  /** To standard error; the default without a file. */
  readonly console?: boolean;
};

const MAX_FILE_BYTES = 32 * 1024 * 1024;
/** Characters that may wait for the end of a turn. */
const MOST_WAITING = 64 * 1024;
const SECRETS = [
  'headers',
  'authorization',
  'Authorization',
  'cookie',
  'Cookie',
  'token',
  'cacerts',
  'secret',
  'password',
];

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

/** Fault local-io when the file cannot be opened. */
export function createLog(options: LogOptions): Log {
  const maxFileBytes = options.maxFileBytes ?? MAX_FILE_BYTES;
  const file = options.file === undefined ? undefined : new LogFile(options.file, maxFileBytes);
  const toConsole = options.console ?? file === undefined;
  const lines = new Lines(
    (text) => {
      file?.write(text);
      if (toConsole) process.stderr.write(text);
    },
    Math.min(MOST_WAITING, maxFileBytes),
  );
  const logger = pino(
    {
      level: options.level ?? 'info',
      base: { program: options.program, pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: errorFields, fault: errorFields },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '[hidden]' },
    },
    lines,
  );
  return logOf(logger, lines);
}

/** A warning is written at once, and what was said before it too. */
function logOf(logger: Logger, lines: Lines): Log {
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => {
      logger.warn(fields, message);
      lines.flush();
    },
    error: (fields, message) => {
      logger.error(fields, message);
      lines.flush();
    },
    child: (fields) => logOf(logger.child(fields), lines),
  };
}

/** Faults are foreseen: code and message say all. Other errors are defects and show where they come from. */
function errorFields(error: unknown): unknown {
  if (error instanceof Fault) return error.toValue();
  if (error instanceof Error) return { message: error.message, stack: error.stack };
  return error;
}

/**
 * What one turn of the event loop says is written in one go: ten thousand hosts that join at once are not as many system calls. Everything is
 * written before the process exits; only `kill -9` takes the lines of its last turn along.
 */
class Lines {
  readonly #write: (text: string) => void;
  readonly #most: number;
  #text = '';

  /** `most` = characters that may wait for the end of a turn. */
  constructor(write: (text: string) => void, most: number) {
    this.#write = write;
    this.#most = most;
    process.on('exit', () => this.flush());
  }

  write(line: string): void {
    if (this.#text.length + line.length > this.#most) this.flush();
    if (this.#text === '') setImmediate(() => this.flush()).unref();
    this.#text += line;
  }

  flush(): void {
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    this.#write(text);
  }
}

/** Synchronous appends: the last line before a crash is the one that counts. */
class LogFile {
  readonly #path: string;
  readonly #maxBytes: number;
  #fd: number;
  #bytes: number;
  #broken = false;

  constructor(path: string, maxBytes: number) {
    this.#path = path;
    this.#maxBytes = maxBytes;
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      this.#fd = openSync(path, 'a', 0o600);
      this.#bytes = fstatSync(this.#fd).size;
    } catch (cause) {
      throw new Fault('local-io', `cannot write the log file ${path}: ${(cause as Error).message}`, { cause });
    }
  }

  write(text: string): void {
    try {
      if (this.#bytes + text.length > this.#maxBytes && this.#bytes > 0) this.#rotate();
      this.#bytes += writeSync(this.#fd, text);
      this.#broken = false;
    } catch (error) {
      // A full disk must not stop the program; it is said once.
      if (!this.#broken) process.stderr.write(`cannot write the log file: ${(error as Error).message}\n`);
      this.#broken = true;
    }
  }

  #rotate(): void {
    renameSync(this.#path, `${this.#path}.1`);
    const fd = openSync(this.#path, 'a', 0o600);
    closeSync(this.#fd);
    this.#fd = fd;
    this.#bytes = 0;
  }
}
