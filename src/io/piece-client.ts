/** Fetches pieces from parents: signatures first, the body follows. */
export type ParentPlace = { readonly ip: string; readonly port: number };

export type PieceClientOptions = {
  readonly maxConnectionsPerParent: number;
  readonly connectTimeoutMs: number;
  /** Connections kept idle over all parents. */
  readonly maxIdleConnections?: number;
  readonly idleMs?: number;
  /** Told of every chunk; milliseconds to wait before more is read. */
  readonly take?: (bytes: number, parent: ParentPlace) => number;
};

export type FetchOptions = {
  /** No byte for this long = Fault peer-stalled. Milliseconds. */
  readonly stallMs: number;
  readonly signal?: AbortSignal;
  /** Told of every chunk; milliseconds to wait before more is read. */
  readonly throttle?: (bytes: number) => number;
  readonly headers?: Readonly<Record<string, string>>;
};

export declare class PieceClient {
  constructor(options: PieceClientOptions);
  /** Reads bytes `span` of `path` into `into[0…]`. Faults: peer-refused, peer-lacks, peer-reset, peer-stalled, peer-corrupt, cancelled. */
  fetch(
    parent: ParentPlace,
    path: string,
    span: { readonly start: number; readonly end: number },
    into: Uint8Array,
    options: FetchOptions,
  ): Promise<void>;
  /** A small JSON answer, unchecked. */
  getJson(parent: ParentPlace, path: string, options: FetchOptions & { maxBytes?: number }): Promise<unknown>;
  /** Ends idle connections at once and running fetches with Fault cancelled. */
  close(): void;
}
