/**
 * Every operating error has one code here, and the code decides what each layer does with it: the HTTP status of an
 * API answer, the exit code of dfget, whether trying again may help, and what the user should do.
 */

export type FaultCode = keyof typeof FAULTS;

type FaultEntry = {
  readonly status: number;
  readonly exit: number;
  readonly retryable: boolean;
  readonly advice: string;
};

/** Exit codes: one per cause, listed in docs/exit-codes.md. */
export const EXIT = {
  ok: 0,
  internal: 1,
  usage: 2,
  sourceRefused: 3,
  timeout: 4,
  digestMismatch: 5,
  noSpace: 6,
  supernodeUnreachable: 7,
  localIo: 8,
  sourceUnreachable: 9,
  interrupted: 130,
} as const;

export const FAULTS = {
  usage: { status: 400, exit: EXIT.usage, retryable: false, advice: 'see dfget --help' },
  'bad-message': { status: 400, exit: EXIT.internal, retryable: false, advice: 'use the same version on both sides' },
  'source-refused': {
    status: 502,
    exit: EXIT.sourceRefused,
    retryable: false,
    advice: 'check the URL and the credentials',
  },
  'source-unreachable': {
    status: 502,
    exit: EXIT.sourceUnreachable,
    retryable: true,
    advice: 'check that the source is up and reachable',
  },
  'source-changed': {
    status: 502,
    exit: EXIT.sourceUnreachable,
    retryable: true,
    advice: 'the content changed while it was read; try again',
  },
  'source-lied': {
    status: 502,
    exit: EXIT.sourceUnreachable,
    retryable: true,
    advice: 'the source sent another length than it had announced',
  },
  'digest-mismatch': {
    status: 502,
    exit: EXIT.digestMismatch,
    retryable: false,
    advice: 'the content is not the one the digest names',
  },
  timeout: { status: 504, exit: EXIT.timeout, retryable: true, advice: 'raise --timeout' },
  'no-space': {
    status: 507,
    exit: EXIT.noSpace,
    retryable: false,
    advice: 'free some space or choose another --home or --output',
  },
  'local-io': { status: 500, exit: EXIT.localIo, retryable: false, advice: 'check the path and its permissions' },
  'store-version': {
    status: 500,
    exit: EXIT.localIo,
    retryable: false,
    advice: 'another version wrote this store; choose another --home or remove it',
  },
  'port-in-use': { status: 500, exit: EXIT.usage, retryable: false, advice: 'choose another port' },
  'supernode-unreachable': {
    status: 503,
    exit: EXIT.supernodeUnreachable,
    retryable: true,
    advice: 'check --node and that the supernode is up',
  },
  'supernode-refused': {
    status: 503,
    exit: EXIT.supernodeUnreachable,
    retryable: true,
    advice: 'the supernode is overloaded or shutting down',
  },
  'redis-unreachable': {
    status: 503,
    exit: EXIT.internal,
    retryable: true,
    advice: 'check the setting cluster and that Redis is up',
  },
  'agent-unreachable': {
    status: 503,
    exit: EXIT.internal,
    retryable: true,
    advice: 'look at the agent log in its home',
  },
  cancelled: { status: 499, exit: EXIT.interrupted, retryable: false, advice: 'it was cancelled' },
  'peer-refused': { status: 502, exit: EXIT.internal, retryable: true, advice: 'another parent will be taken' },
  'peer-stalled': { status: 504, exit: EXIT.internal, retryable: true, advice: 'another parent will be taken' },
  'peer-reset': { status: 502, exit: EXIT.internal, retryable: true, advice: 'another parent will be taken' },
  'peer-corrupt': { status: 502, exit: EXIT.internal, retryable: true, advice: 'another parent will be taken' },
  'peer-lacks': { status: 404, exit: EXIT.internal, retryable: true, advice: 'another parent will be taken' },
  'cross-site': { status: 403, exit: EXIT.usage, retryable: false, advice: "use the supernode's own console" },
  'not-found': { status: 404, exit: EXIT.usage, retryable: false, advice: 'check the name' },
  internal: {
    status: 500,
    exit: EXIT.internal,
    retryable: false,
    advice: 'this is a defect; please report it with the log',
  },
} as const satisfies Record<string, FaultEntry>;

/** What crosses the wire. `sourceStatus` is the HTTP status that the source gave, where it gave one. */
export type FaultValue = {
  readonly code: FaultCode;
  readonly message: string;
  readonly sourceStatus?: number;
  /** The source asked not to be asked again before. Milliseconds. */
  readonly retryAfterMs?: number;
};

export class Fault extends Error {
  override readonly name = 'Fault';
  readonly code: FaultCode;
  readonly sourceStatus: number | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(
    code: FaultCode,
    message: string,
    options: { sourceStatus?: number; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.sourceStatus = options.sourceStatus;
    this.retryAfterMs = options.retryAfterMs;
  }

  get entry(): FaultEntry {
    return FAULTS[this.code];
  }

  toValue(): FaultValue {
    const { code, message, sourceStatus, retryAfterMs } = this;
    return {
      code,
      message,
      ...(sourceStatus === undefined ? {} : { sourceStatus }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    };
  }

  static fromValue({ code, message, ...rest }: FaultValue): Fault {
    return new Fault(code, message, rest);
  }

  /** Wraps what is not a Fault yet: an unknown error is a defect of ours until a layer below has named it. */
  static of(error: unknown, code: FaultCode = 'internal'): Fault {
    if (error instanceof Fault) return error;
    return new Fault(code, error instanceof Error ? error.message : String(error), { cause: error });
  }
}

export function isFaultCode(text: unknown): text is FaultCode {
  return typeof text === 'string' && Object.hasOwn(FAULTS, text);
}
