/**
 * The supernode looks for itself: gets one piece from an accused host's piece server and compares it with its digest. Every check is answered
 * once; what cannot be compared (the host is away, silent, or has the piece no more) is `unknown`. The scheduler bounds how many run.
 */
import { sameBytes, sha256 } from '../io/hash.ts';
import type { Log } from '../io/log.ts';
import { PieceClient } from '../io/piece-client.ts';
import { Fault } from '../protocol/faults.ts';
import type { ParentAddress } from '../protocol/host.ts';
import type { ContentId, HostId, PieceIndex } from '../protocol/ids.ts';
import type { Span } from '../protocol/piece.ts';
import { contentPath } from '../protocol/piece-path.ts';
import type { SchedulerCommand, SchedulerEvent } from '../scheduler/events.ts';

export type CheckCommand = Extract<SchedulerCommand, { type: 'check-piece' }>;
type CheckedEvent = Extract<SchedulerEvent, { type: 'piece-checked' }>;
type Outcome = CheckedEvent['outcome'];

/** Where a piece is in its content and what it must be. */
export type PieceProof = { readonly span: Span; readonly digest: Uint8Array };

export type PieceChecksParts = {
  readonly log: Log;
  readonly addressOf: (host: HostId) => ParentAddress | undefined;
  readonly proofOf: (content: ContentId, piece: PieceIndex) => PieceProof | undefined;
  readonly answer: (event: CheckedEvent) => void;
};

const CONNECT_TIMEOUT_MS = 1_500;
const STALL_MS = 2_000;
/** A piece that comes drop by drop is no answer. The scheduler waits a little longer. */
const CHECK_TIMEOUT_MS = 8_000;

export class PieceChecks {
  readonly #parts: PieceChecksParts;
  readonly #client = new PieceClient({ maxConnectionsPerParent: 1, connectTimeoutMs: CONNECT_TIMEOUT_MS });

  constructor(parts: PieceChecksParts) {
    this.#parts = parts;
  }

  run(command: CheckCommand): void {
    const { check, content, host, piece } = command;
    this.#look(command).then((outcome) => {
      this.#parts.log.info({ host, content, piece, outcome }, 'an accused host was looked at');
      this.#parts.answer({ type: 'piece-checked', check, outcome });
    });
  }

  close(): void {
    this.#client.close();
  }

  /** Never rejects. */
  async #look({ content, host, piece }: CheckCommand): Promise<Outcome> {
    const address = this.#parts.addressOf(host);
    const proof = this.#parts.proofOf(content, piece);
    if (address === undefined || proof === undefined) return 'unknown';
    const { span, digest } = proof;
    const data = Buffer.allocUnsafe(span.end - span.start);
    try {
      const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
      await this.#client.fetch(address, contentPath(content), span, data, { stallMs: STALL_MS, signal });
    } catch (error) {
      // Another range or length than was asked for is as wrong as other bytes.
      return Fault.of(error).code === 'peer-corrupt' ? 'wrong' : 'unknown';
    }
    return sameBytes(sha256(data), digest) ? 'right' : 'wrong';
  }
}
