/** Samples for tests of transfer/: a driver that keeps what the transfer asked for, and short ways to say events. */
import { Bitfield } from '../base/bitfield.ts';
import type { ParentAddress } from '../protocol/host.ts';
import { parseHostId } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import type { AssignedPiece, TransferCommand, TransferEvent } from './events.ts';
import type { TransferSettings } from './settings.ts';
import { Transfer } from './transfer.ts';

export const PIECE = 128 * 1024;

export function shapeOf(pieces: number): ContentShape {
  return { length: pieces * PIECE, pieceSize: PIECE };
}

export function parentNamed(name: string): ParentAddress {
  const id = parseHostId(name);
  if (id === undefined) throw new Error(name);
  return { id, ip: '127.0.0.1', port: 1 };
}

export function heldOf(size: number, pieces: readonly number[] = []): Bitfield {
  const held = new Bitfield(size);
  for (const piece of pieces) held.set(piece);
  return held;
}

export function assignedOf(
  piece: number,
  lease: number,
  parent = 'p1',
  digest: string | undefined = 'd',
): AssignedPiece {
  return { piece, lease, parent: parentNamed(parent), ...(digest === undefined ? {} : { digest }) };
}

export class Driver {
  readonly transfer: Transfer;
  readonly said: TransferCommand[] = [];
  now = 0;

  constructor(settings: Partial<TransferSettings> = {}) {
    this.transfer = new Transfer({ pattern: 'p2p', backToSource: true, random: () => 0.5, ...settings });
  }

  /** What this event makes the transfer ask for; wake-ups are left out. */
  on(event: TransferEvent): TransferCommand[] {
    const commands = [...this.transfer.handle(event, this.now)].filter(({ type }) => type !== 'wake-at');
    this.said.push(...commands);
    return commands;
  }

  after(millis: number, event: TransferEvent = { type: 'tick' }): TransferCommand[] {
    this.now += millis;
    return this.on(event);
  }

  opened(
    pieces: number,
    more: {
      held?: readonly number[];
      hasManifest?: boolean;
      ranges?: boolean;
      by?: 'supernode' | 'source';
      fresh?: boolean;
    } = {},
  ): TransferCommand[] {
    const { held = [], hasManifest = false, ranges = true, by = 'supernode', fresh = true } = more;
    return this.on({
      ...{ type: 'opened', by, fresh, hasManifest, ranges },
      shape: shapeOf(pieces),
      held: heldOf(pieces, held),
    });
  }

  /** Started and opened, with so many pieces and nothing held. */
  static fetching(pieces: number, settings: Partial<TransferSettings> = {}): Driver {
    const driver = new Driver(settings);
    driver.on({ type: 'start' });
    driver.opened(pieces);
    return driver;
  }
}

export function typesOf(commands: readonly TransferCommand[]): string[] {
  return commands.map(({ type }) => type);
}
