/**
 * Bytes that a supernode sends with an assignment instead of waiting to be asked for them. Invariant: only what this host has asked for
 * counts, once per question, and only for the assignments that follow at once; whatever else comes is dropped.
 */
import type { HostId, PieceIndex } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import type { AssignedPiece } from '../transfer/events.ts';

type GivenMessage = Extract<SupernodeMessage, { type: 'given' }>;

/** Proved by nothing yet. */
export type GivenPiece = { readonly piece: PieceIndex; readonly parent: HostId; readonly bytes: Uint8Array };

export class GivenPieces {
  #expected = false;
  #came: GivenMessage | undefined;

  /** The supernode is asked, and told that it may give, or not. */
  asked(mayGive: boolean): void {
    this.#expected = mayGive;
    this.#came = undefined;
  }

  came(message: GivenMessage): void {
    this.#came = this.#expected ? message : undefined;
    this.#expected = false;
  }

  /** What belongs to one of these; what does not is of no use any more. */
  take(pieces: readonly AssignedPiece[]): GivenPiece | undefined {
    const came = this.#came;
    this.#came = undefined;
    const assigned = pieces.find(({ lease }) => lease === came?.lease);
    if (came === undefined || assigned === undefined) return undefined;
    return { piece: assigned.piece, parent: assigned.parent.id, bytes: came.bytes };
  }
}
