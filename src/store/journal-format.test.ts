import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MAX_PIECE_BYTES, MIN_PIECE_BYTES } from '../protocol/piece.ts';
import {
  bootIdInHeader,
  decodeJournal,
  encodeHeader,
  encodeRecord,
  HEADER_BYTES,
  type JournalHeader,
  type JournalRecord,
  RECORD_BYTES,
} from './journal-format.ts';

const header: fc.Arbitrary<JournalHeader> = fc.record({
  shape: fc.record({
    length: fc.option(fc.maxSafeNat(), { nil: null }),
    pieceSize: fc.constantFrom(MIN_PIECE_BYTES, MAX_PIECE_BYTES),
  }),
  bootId: fc.stringMatching(/^[0-9a-f-]{0,36}$/),
});
const record: fc.Arbitrary<JournalRecord> = fc.oneof(
  fc.record({
    type: fc.constant('held' as const),
    piece: fc.nat(),
    bytes: fc.integer({ min: 1, max: MAX_PIECE_BYTES }),
    digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  }),
  fc.record({ type: fc.constant('dropped' as const), piece: fc.nat() }),
);

function encode(head: JournalHeader, records: readonly JournalRecord[]): Buffer {
  return Buffer.concat([encodeHeader(head), ...records.map(encodeRecord)]);
}

test('what is written is what is read', () => {
  fc.assert(
    fc.property(header, fc.array(record, { maxLength: 8 }), (head, records) => {
      const bytes = encode(head, records);
      expect(decodeJournal(bytes)).toEqual({ header: head, records, end: bytes.length });
    }),
  );
});

test('a journal cut anywhere keeps every record before the cut', () => {
  fc.assert(
    fc.property(header, fc.array(record, { maxLength: 8 }), fc.nat(), (head, records, at) => {
      const bytes = encode(head, records);
      const cut = at % (bytes.length + 1);
      const reading = decodeJournal(bytes.subarray(0, cut));
      if (cut < HEADER_BYTES) {
        expect(reading).toBeUndefined();
        return;
      }
      const kept = Math.floor((cut - HEADER_BYTES) / RECORD_BYTES);
      expect(reading?.records).toEqual(records.slice(0, kept));
      expect(reading?.end).toBe(HEADER_BYTES + kept * RECORD_BYTES);
    }),
  );
});

test('a byte that is wrong ends the journal before its record', () => {
  fc.assert(
    fc.property(header, fc.array(record, { minLength: 1, maxLength: 6 }), fc.nat(), (head, records, at) => {
      const bytes = encode(head, records);
      const place = at % bytes.length;
      bytes[place] = (bytes[place] ?? 0) ^ 0x55;
      const reading = decodeJournal(bytes);
      if (place < HEADER_BYTES) {
        expect(reading).toBeUndefined();
        return;
      }
      expect(reading?.records).toEqual(records.slice(0, Math.floor((place - HEADER_BYTES) / RECORD_BYTES)));
    }),
  );
});

test('a boot id that is too long is compared as it is kept', () => {
  const bootId = 'x'.repeat(50);
  const kept = decodeJournal(encodeHeader({ shape: { length: 1, pieceSize: MIN_PIECE_BYTES }, bootId }));
  expect(kept?.header.bootId).toBe(bootIdInHeader(bootId));
});
