/** Arbitrary messages, each of which is right by the contract in messages.ts. */
import fc from 'fast-check';
import { FAULTS, type FaultCode } from './faults.ts';
import { type ContentId, type HostId, parseContentId, parseHostId, parseTaskId, type TaskId } from './ids.ts';
import type { Assignment, HostMessage, SupernodeMessage } from './messages.ts';
import { MAX_PIECE_BYTES, MIN_PIECE_BYTES } from './piece.ts';

const HEX = [...'0123456789abcdef'];
const hex = (length: number) => fc.string({ unit: fc.constantFrom(...HEX), minLength: length, maxLength: length });

const taskId = hex(64).map((text) => parseTaskId(text) as TaskId);
export const contentId = fc
  .tuple(hex(64), fc.string({ unit: fc.constantFrom(...HEX), minLength: 1, maxLength: 32 }))
  .map(([task, generation]) => parseContentId(`${task}.${generation}`) as ContentId);
const hostId = fc.stringMatching(/^[0-9A-Za-z._:-]{1,40}$/).map((text) => parseHostId(text) as HostId);
const piece = fc.nat(1 << 24);
const lease = fc.nat();
const faultCode = fc.constantFrom(...(Object.keys(FAULTS) as FaultCode[]));
const bytes64 = (max: number) =>
  fc.uint8Array({ maxLength: max }).map((bytes) => Buffer.from(bytes).toString('base64'));
const digest64 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('base64'));
const held = fc.oneof(fc.constant('all'), bytes64(64));
const shape = fc.record({
  length: fc.option(fc.maxSafeNat()),
  pieceSize: fc.constantFrom(MIN_PIECE_BYTES, 1024 * 1024, MAX_PIECE_BYTES),
});
const digest = fc.oneof(
  hex(32).map((text) => `md5:${text}`),
  hex(64).map((text) => `sha256:${text}`),
  hex(128).map((text) => `sha512:${text}`),
);
const optional = { requiredKeys: ['ranges'] as ['ranges'] };
const facts = fc.record(
  {
    etag: fc.string(),
    lastModified: fc.string(),
    contentType: fc.string(),
    ranges: fc.boolean(),
  },
  optional,
);
const manifest = fc.record(
  { content: contentId, shape, facts, digests: bytes64(96), digest, signature: hex(64) },
  { requiredKeys: ['content', 'shape', 'facts', 'digests', 'signature'] },
);
const fault = fc.record(
  { code: faultCode, message: fc.string(), sourceStatus: fc.integer({ min: 100, max: 599 }) },
  { requiredKeys: ['code', 'message'] },
);
const window = fc.record({ from: piece, count: piece });
const address = fc.record({
  id: hostId,
  ip: fc.oneof(fc.ipV4(), fc.ipV6()),
  port: fc.nat(65535),
});
const member = fc.record({
  id: hostId,
  place: fc
    .oneof(
      fc.ipV4(),
      fc.ipV6().map((ip) => `[${ip}]`),
    )
    .map((ip) => `${ip}:8002`),
  weight: fc.double({ min: 0.001, max: 1000, noNaN: true }),
  state: fc.constantFrom('up' as const, 'draining' as const),
});
const host = fc
  .tuple(
    address,
    fc.record(
      {
        name: fc.string(),
        site: fc.record({ idc: fc.string(), location: fc.string(), machine: fc.string() }),
        version: fc.string(),
        uploads: fc.boolean(),
        upBytesPerSecond: fc.double({ min: 0, max: 1e12, noNaN: true }).map((rate) => rate + 1),
        downBytesPerSecond: fc.nat(),
      },
      { requiredKeys: ['name', 'site', 'version', 'uploads'] },
    ),
  )
  .map(([where, what]) => ({ ...where, ...what }));
export const spec = fc.record(
  {
    url: fc.webUrl({ withQueryParameters: true }),
    headers: fc.array(fc.tuple(fc.stringMatching(/^[A-Za-z-]{1,20}$/), fc.stringMatching(/^[ -~]{0,30}$/)), {
      maxLength: 5,
    }),
    filter: fc.array(fc.string({ maxLength: 20 }), { maxLength: 5 }),
    digest,
    identifier: fc.string(),
    insecure: fc.boolean(),
    cacerts: fc.array(fc.string(), { maxLength: 3 }),
    callSystem: fc.string(),
  },
  { requiredKeys: ['url', 'headers', 'filter'] },
);
const inventoryEntry = fc.record({ content: contentId, shape, held, hasManifest: fc.boolean() });
const pieces = fc.oneof(fc.constant('all' as const), fc.array(piece));
const millis = fc.double({ min: 0, max: 1e9, noNaN: true }).map((value) => value + 0);
const typed = <T extends string>(type: T) => fc.constant(type);

export const hostMessage: fc.Arbitrary<HostMessage> = fc.oneof(
  fc.record(
    { type: typed('hello'), protocol: fc.nat(99), host, token: fc.string() },
    { requiredKeys: ['type', 'protocol', 'host'] },
  ),
  fc.record({ type: typed('inventory'), contents: fc.array(inventoryEntry), last: fc.boolean() }),
  fc.record(
    {
      type: typed('open'),
      request: fc.nat(),
      task: taskId,
      spec,
      having: inventoryEntry,
      window,
      only: typed('window'),
      give: fc.nat(),
      grant: fc.string(),
    },
    { requiredKeys: ['type', 'request', 'task', 'spec'] },
  ),
  fc.record({
    type: typed('report'),
    content: contentId,
    held: fc.array(fc.tuple(piece, lease, millis)),
    failed: fc.array(fc.tuple(piece, lease, faultCode)),
  }),
  fc.record({ type: typed('lost'), content: contentId, pieces }),
  fc.record(
    { type: typed('window'), content: contentId, window: fc.option(window), whole: fc.constant(true as const) },
    { requiredKeys: ['type', 'content', 'window'] },
  ),
  fc.record({ type: typed('leave'), content: contentId }),
  fc.record({ type: typed('manifest'), manifest }),
  fc.record({ type: typed('fetching'), fetch: fc.nat(), done: fc.nat(), length: fc.option(fc.nat()) }),
  fc.record({ type: typed('fetched'), fetch: fc.nat(), fault }, { requiredKeys: ['type', 'fetch'] }),
  fc.record({ type: typed('beat') }),
);

const assignments = fc.array(address, { minLength: 1, maxLength: 5 }).chain((parents) =>
  fc.record({
    type: typed('assign'),
    content: contentId,
    parents: fc.constant(parents),
    pieces: fc.array(
      fc.oneof(
        fc.tuple(piece, fc.nat(parents.length - 1), lease),
        fc.tuple(piece, fc.nat(parents.length - 1), lease, digest64),
      ) as fc.Arbitrary<Assignment>,
    ),
  }),
);

export const supernodeMessage: fc.Arbitrary<SupernodeMessage> = fc.oneof(
  fc.record({ type: typed('welcome'), protocol: fc.nat(99), supernode: fc.string(), beatMs: fc.nat() }),
  fc.record(
    {
      ...{ type: typed('opened'), request: fc.nat(), content: contentId, shape, facts, manifest, inline: bytes64(200) },
      stale: fc.record({ checkedAt: fc.nat(), why: fault }),
    },
    { requiredKeys: ['type', 'request', 'content', 'shape', 'facts'] },
  ),
  fc.record({ type: typed('refused'), request: fc.nat(), fault }),
  fc.record({ type: typed('members'), fresh: fc.boolean(), members: fc.array(member, { maxLength: 64 }) }),
  assignments,
  fc.record({ type: typed('cancel'), content: contentId, leases: fc.array(lease) }),
  fc.record({ type: typed('shape'), content: contentId, shape }),
  fc.record({ type: typed('manifest'), manifest }),
  fc.record({ type: typed('failed'), content: contentId, fault }),
  fc.record({ type: typed('ask-manifest'), content: contentId }),
  fc.record({ type: typed('fetch'), fetch: fc.nat(), task: taskId, spec, grant: fc.string() }),
  fc.record({ type: typed('stop-fetch'), fetch: fc.nat() }),
);
