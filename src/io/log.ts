/** The log: one JSON line per event, fields first. Secrets never reach it: what is called headers, authorization, cookie or token is blotted out. */
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
  /** Also (or only) to standard error. */
  readonly console?: boolean;
};

export const silentLog: Log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLog,
};

export declare function createLog(options: LogOptions): Log;
