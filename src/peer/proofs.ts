/** The piece digests of one content as a host knows them: those of its manifest, once there is one. */
import { SHA256_BYTES } from '../io/hash.ts';
import { Fault } from '../protocol/faults.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import { pieceCount } from '../protocol/piece.ts';
import type { Manifest } from '../protocol/task.ts';

export class Proofs {
  #manifest: Manifest | undefined;
  #digests: Buffer | undefined;

  get manifest(): Manifest | undefined {
    return this.#manifest;
  }

  /** Fault bad-message for a manifest that does not fit itself. */
  learn(manifest: Manifest): void {
    const digests = Buffer.from(manifest.digests, 'base64');
    if (manifest.shape.length === null || digests.length !== pieceCount(manifest.shape) * SHA256_BYTES) {
      throw new Fault('bad-message', 'a manifest without exactly one digest for each piece');
    }
    this.#manifest = manifest;
    this.#digests = digests;
  }

  /** The digest that came with the assignment goes first; undefined = nobody has told one. */
  of(piece: PieceIndex, assigned?: string): Buffer | undefined {
    if (assigned !== undefined) {
      const digest = Buffer.from(assigned, 'base64');
      return digest.length === SHA256_BYTES ? digest : undefined;
    }
    const digest = this.#digests?.subarray(piece * SHA256_BYTES, (piece + 1) * SHA256_BYTES);
    return digest?.length === SHA256_BYTES ? digest : undefined;
  }
}
