/**
 * The journal of one content as bytes. It says what the data file holds; the data file itself is plain content.
 *
 *     header, 64 bytes                              record, 48 bytes
 *      0  4  "dfly"                                  0  4  piece
 *      4  4  format version                          4  4  bytes of the piece; 0 = it was dropped
 *      8  8  length of the content, -1 = unknown     8 32  sha256 of the piece
 *     16  4  piece size                             40  4  zero
 *     20 36  boot id in ASCII, zeros behind         44  4  crc32 of the 44 bytes before
 *     56  4  zero
 *     60  4  crc32 of the 60 bytes before
 *
 * All numbers are little-endian. A record is valid or it is the torn tail: nothing behind it counts.
 */

import { crc32 } from '../io/hash.ts';
import type { PieceIndex } from '../protocol/ids.ts';
import { type ContentShape, parseShape } from '../protocol/piece.ts';

export const JOURNAL_VERSION = 1;
export const HEADER_BYTES = 64;
export const RECORD_BYTES = 48;

const MAGIC = 0x796c6664;
const BOOT_AT = 20;
const BOOT_BYTES = 36;
const NO_DIGEST = new Uint8Array(32);

export type JournalHeader = { readonly shape: ContentShape; readonly bootId: string };

export type JournalRecord =
  | { readonly type: 'held'; readonly piece: PieceIndex; readonly bytes: number; readonly digest: Uint8Array }
  | { readonly type: 'dropped'; readonly piece: PieceIndex };

export type JournalReading = {
  readonly header: JournalHeader;
  readonly records: readonly JournalRecord[];
  /** Where the next record goes; what the file has behind it is torn. */
  readonly end: number;
};

export function encodeHeader(header: JournalHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32LE(MAGIC, 0);
  bytes.writeUInt32LE(JOURNAL_VERSION, 4);
  bytes.writeBigInt64LE(BigInt(header.shape.length ?? -1), 8);
  bytes.writeUInt32LE(header.shape.pieceSize, 16);
  bytes.write(header.bootId, BOOT_AT, BOOT_BYTES, 'latin1');
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 60)), 60);
  return bytes;
}

export function encodeRecord(record: JournalRecord): Buffer {
  const bytes = Buffer.alloc(RECORD_BYTES);
  bytes.writeUInt32LE(record.piece, 0);
  bytes.writeUInt32LE(record.type === 'held' ? record.bytes : 0, 4);
  bytes.set(record.type === 'held' ? record.digest : NO_DIGEST, 8);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 44)), 44);
  return bytes;
}

/** Undefined when the header is not one of ours. */
export function decodeJournal(bytes: Buffer): JournalReading | undefined {
  const header = decodeHeader(bytes);
  if (header === undefined) return undefined;
  const records: JournalRecord[] = [];
  let end = HEADER_BYTES;
  while (end + RECORD_BYTES <= bytes.length) {
    const record = decodeRecord(bytes.subarray(end, end + RECORD_BYTES));
    if (record === undefined) break;
    records.push(record);
    end += RECORD_BYTES;
  }
  return { header, records, end };
}

/** The boot id as the header keeps it, to compare with one read back. */
export function bootIdInHeader(bootId: string): string {
  return Buffer.from(bootId, 'latin1').subarray(0, BOOT_BYTES).toString('latin1');
}

function decodeHeader(bytes: Buffer): JournalHeader | undefined {
  if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60))) return undefined;
  if (bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== JOURNAL_VERSION) return undefined;
  const length = Number(bytes.readBigInt64LE(8));
  const shape = parseShape({ length: length === -1 ? null : length, pieceSize: bytes.readUInt32LE(16) });
  if (shape === undefined) return undefined;
  const boot = bytes.subarray(BOOT_AT, BOOT_AT + BOOT_BYTES);
  const zero = boot.indexOf(0);
  return { shape, bootId: boot.toString('latin1', 0, zero < 0 ? BOOT_BYTES : zero) };
}

function decodeRecord(bytes: Buffer): JournalRecord | undefined {
  if (bytes.readUInt32LE(44) !== crc32(bytes.subarray(0, 44))) return undefined;
  const piece = bytes.readUInt32LE(0);
  const length = bytes.readUInt32LE(4);
  if (length === 0) return { type: 'dropped', piece };
  return { type: 'held', piece, bytes: length, digest: Uint8Array.from(bytes.subarray(8, 40)) };
}
