/**
 * The first piece that a host takes of a content which is just being read travels with its assignment: the host asked for that
 * when it opened the content, and is spared a request. Such a piece is an assigned one like any other in all but its way: it has
 * its lease, its digest and its report.
 *
 * It stays an exception: once per opening, only what is in memory at that moment, no more bytes than the host allows, nothing to a
 * host whose session has something else waiting, and nothing where the supernode's rate is limited, because limited bytes
 * wait for their turns, and assignments must not wait with them.
 */
import { encodeGiven } from '../protocol/codec.ts';
import type { ContentId, HostId, LeaseId, PieceIndex } from '../protocol/ids.ts';
import type { SupernodeMessage } from '../protocol/messages.ts';
import type { HostRecord, Hosts } from './hosts.ts';

export type FirstPiecesParts = {
  readonly hosts: Hosts;
  /** Bytes of a piece that are in memory; good until the next turn. */
  readonly atHand: (content: ContentId, piece: PieceIndex) => Uint8Array | undefined;
  readonly limited: () => boolean;
};

type AssignMessage = Extract<SupernodeMessage, { type: 'assign' }>;

export class FirstPieces {
  readonly #parts: FirstPiecesParts;
  /** Of all pieces that went with their assignment so far. */
  bytesSent = 0;

  constructor(parts: FirstPiecesParts) {
    this.#parts = parts;
  }

  /** To the session of a host, now; without effect when it has none. */
  send(host: HostId, messages: readonly SupernodeMessage[]): void {
    const record = this.#parts.hosts.find(host);
    if (record === undefined) return;
    for (const message of messages) {
      if (message.type !== 'assign' || !this.#sentWithPiece(record, message)) record.session.send(message);
    }
    record.session.sendNow();
  }

  #sentWithPiece(record: HostRecord, message: AssignMessage): boolean {
    const { content } = message;
    const mostBytes = record.gives.get(content);
    if (mostBytes === undefined) return false;
    record.gives.delete(content);
    const first = this.#parts.limited() ? undefined : firstFrom(this.#parts.hosts.seed.id, message);
    const bytes = first === undefined ? undefined : this.#parts.atHand(content, first.piece);
    if (first === undefined || bytes === undefined || bytes.length > mostBytes) return false;
    const texts = [encodeGiven({ content, lease: first.lease }), JSON.stringify(message)];
    if (!record.session.sendBytes(texts, bytes)) return false;
    this.bytesSent += bytes.length;
    return true;
  }
}

/** The first of the pieces that this parent is to give. */
export function firstFrom(
  parent: HostId,
  { parents, pieces }: Pick<AssignMessage, 'parents' | 'pieces'>,
): { readonly piece: PieceIndex; readonly lease: LeaseId } | undefined {
  for (const [piece, at, lease] of pieces) if (parents[at]?.id === parent) return { piece, lease };
  return undefined;
}
