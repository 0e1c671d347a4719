/** Serves held pieces to children: signatures first, the body follows. */
import type { ContentId } from '../protocol/ids.ts';
import type { ContentShape, Span } from '../protocol/piece.ts';
import type { Log } from './log.ts';

/** What the server needs of a content; StoredContent fits with two small additions (has, heldBase64). */
export type Servable = {
  readonly shape: ContentShape;
  has(span: Span): boolean;
  read(offset: number, into: Uint8Array): Promise<void>;
  acquire(): void;
  release(): void;
  /** For GET …/pieces: base64 of the bitfield, or 'all'. */
  heldBase64?(): string;
};

export type PieceServerOptions = {
  locate(id: ContentId): Servable | undefined;
  /** Answers sent at once; 0 = all. */
  readonly slots: number;
  /** Requests that wait for a slot; beyond it 503. */
  readonly queueLimit: number;
  /** Told before bytes go out; milliseconds to wait first. */
  readonly give?: (bytes: number) => number;
  readonly onServed?: (id: ContentId, bytes: number, remote: string) => void;
  readonly log: Log;
  /** A child that takes no 1 MiB for this long is cut off. Milliseconds. */
  readonly stallMs?: number;
  readonly maxConnections?: number;
};

export declare class PieceServer {
  constructor(options: PieceServerOptions);
  /** Resolves with the port. Fault port-in-use. */
  listen(host: string, port: number): Promise<number>;
  close(): Promise<void>;
}
