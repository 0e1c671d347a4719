/**
 * The one door for messages: text from the wire becomes messages that cannot be wrong, or a Fault 'bad-message'. Fields
 * that nobody knows are left where they are and nobody reads them, so that a newer side may say more. Invariant:
 * whatever the text is, nothing but a Fault is thrown.
 */
import { splitFrame } from './bytes-frame.ts';
import {
  amount,
  base64,
  broken,
  type Fields,
  fields,
  flag,
  list,
  MAX_ITEMS,
  MAX_PIECES,
  optionalText,
  text,
  whole,
} from './check.ts';
import { Fault, isFaultCode } from './faults.ts';
import type { ContentId, LeaseId } from './ids.ts';
import { checkMember, MAX_MEMBERS } from './member.ts';
import { GIVEN_MAX_BYTES, type HostMessage, INLINE_MAX_BYTES, type SupernodeMessage } from './messages.ts';
import {
  checkAddress,
  checkContent,
  checkFacts,
  checkFault,
  checkHeld,
  checkHost,
  checkManifest,
  checkShape,
  checkSpec,
  checkTask,
  checkWindow,
} from './shapes.ts';

const MAX_PARENTS = 4096;
const MAX_GRANT_CHARS = 128;
const INLINE_MAX_CHARS = Math.ceil(INLINE_MAX_BYTES / 3) * 4;

type Check = (message: Fields) => void;

/** One text frame's messages in order. */
export function decodeHostMessages(frame: string): HostMessage[] {
  return decode(frame, HOST_CHECKS) as HostMessage[];
}

export function decodeSupernodeMessages(frame: string): SupernodeMessage[] {
  return decode(frame, SUPERNODE_CHECKS) as SupernodeMessage[];
}

/** A frame of bytes: messages in order, one of which is `given` and has the bytes, a view into the frame. */
export function decodeSupernodeBytes(frame: Uint8Array): SupernodeMessage[] {
  const { text: words, bytes } = splitFrame(frame);
  const messages = decode(words, SUPERNODE_BYTES_CHECKS) as SupernodeMessage[];
  if (messages.filter(({ type }) => type === 'given').length !== 1) broken('bytes for no piece, or for several');
  if (bytes.length === 0 || bytes.length > GIVEN_MAX_BYTES) broken('length of a given piece');
  return messages.map((message) => (message.type === 'given' ? { ...message, bytes } : message));
}

/** The message's part of the text; its bytes follow the text. */
export function encodeGiven({ content, lease }: { readonly content: ContentId; readonly lease: LeaseId }): string {
  return JSON.stringify({ type: 'given', content, lease });
}

export function encodeMessages(messages: readonly (HostMessage | SupernodeMessage)[]): string {
  return JSON.stringify(messages);
}

function decode(frame: string, checks: ReadonlyMap<unknown, Check>): readonly unknown[] {
  const messages = list(parseJson(frame), 'frame');
  for (const value of messages) {
    const message = fields(value, 'message');
    const check = checks.get(message.type);
    if (check === undefined) broken('unknown type of message');
    check(message);
  }
  return messages;
}

function parseJson(frame: string): unknown {
  try {
    return JSON.parse(frame);
  } catch (cause) {
    throw new Fault('bad-message', 'bad message: not JSON', { cause });
  }
}

function pieces(value: unknown): void {
  if (value === 'all') return;
  for (const piece of list(value, 'pieces')) whole(piece, 'piece', MAX_PIECES);
}

function report(message: Fields): void {
  checkContent(message.content);
  for (const item of list(message.held, 'held')) {
    const entry = list(item, 'held', 3);
    whole(entry[0], 'held piece', MAX_PIECES);
    whole(entry[1], 'held lease');
    amount(entry[2], 'held millis');
  }
  for (const item of list(message.failed, 'failed')) {
    const entry = list(item, 'failed', 3);
    whole(entry[0], 'failed piece', MAX_PIECES);
    whole(entry[1], 'failed lease');
    if (!isFaultCode(entry[2])) broken('failed fault');
  }
  if (message.near === undefined) return;
  for (const item of list(message.near, 'near')) {
    const entry = list(item, 'near', 2);
    whole(entry[0], 'near piece', MAX_PIECES);
    whole(entry[1], 'near lease');
  }
}

function assign(message: Fields): void {
  checkContent(message.content);
  const parents = list(message.parents, 'parents', MAX_PARENTS);
  for (const parent of parents) checkAddress(parent);
  for (const item of list(message.pieces, 'pieces')) {
    const entry = list(item, 'assignment', 4);
    whole(entry[0], 'assignment piece', MAX_PIECES);
    whole(entry[1], 'assignment parent', parents.length - 1);
    whole(entry[2], 'assignment lease');
    // 32 bytes are 43 characters and one '='.
    if (entry.length > 3 && base64(entry[3], 'assignment digest', 44).length !== 44) broken('assignment digest');
  }
  if (message.near !== undefined && message.near !== true) broken('near');
  if (message.gatherMs !== undefined) amount(message.gatherMs, 'gatherMs');
}

function open(message: Fields): void {
  whole(message.request, 'request');
  checkTask(message.task);
  checkSpec(message.spec);
  if (message.having !== undefined) inventoryEntry(message.having);
  if (message.window !== undefined) checkWindow(message.window);
  if (message.only !== undefined && message.only !== 'window') broken('only');
  if (message.give !== undefined) whole(message.give, 'give');
  optionalText(message.grant, 'grant', MAX_GRANT_CHARS);
}

function inventoryEntry(value: unknown): void {
  const entry = fields(value, 'inventory');
  checkContent(entry.content);
  checkShape(entry.shape);
  checkHeld(entry.held);
  flag(entry.hasManifest, 'hasManifest');
}

const HOST_CHECKS: ReadonlyMap<unknown, Check> = new Map<HostMessage['type'], Check>([
  ['report', report],
  [
    'hello',
    (message) => {
      whole(message.protocol, 'protocol', MAX_ITEMS);
      checkHost(message.host);
      optionalText(message.token, 'token', 4096);
    },
  ],
  [
    'inventory',
    (message) => {
      for (const entry of list(message.contents, 'contents')) inventoryEntry(entry);
      flag(message.last, 'last');
    },
  ],
  ['open', open],
  [
    'lost',
    (message) => {
      checkContent(message.content);
      pieces(message.pieces);
    },
  ],
  [
    'window',
    (message) => {
      checkContent(message.content);
      if (message.window !== null) checkWindow(message.window);
      if (message.whole !== undefined && message.whole !== true) broken('whole');
    },
  ],
  ['leave', (message) => checkContent(message.content)],
  ['manifest', (message) => checkManifest(message.manifest)],
  [
    'fetching',
    (message) => {
      whole(message.fetch, 'fetch');
      whole(message.done, 'done');
      if (message.length !== null) whole(message.length, 'length');
    },
  ],
  [
    'fetched',
    (message) => {
      whole(message.fetch, 'fetch');
      if (message.fault !== undefined) checkFault(message.fault);
    },
  ],
  ['beat', () => undefined],
]);

function opened(message: Fields): void {
  whole(message.request, 'request');
  checkContent(message.content);
  checkShape(message.shape);
  checkFacts(message.facts);
  if (message.manifest !== undefined) checkManifest(message.manifest);
  if (message.inline !== undefined) base64(message.inline, 'inline', INLINE_MAX_CHARS);
  if (message.stale !== undefined) {
    const stale = fields(message.stale, 'stale');
    amount(stale.checkedAt, 'stale.checkedAt');
    checkFault(stale.why);
  }
}

const SUPERNODE_CHECKS: ReadonlyMap<unknown, Check> = new Map<SupernodeMessage['type'], Check>([
  ['assign', assign],
  [
    'welcome',
    (message) => {
      whole(message.protocol, 'protocol', MAX_ITEMS);
      text(message.supernode, 'supernode', 255);
      amount(message.beatMs, 'beatMs');
    },
  ],
  ['opened', opened],
  [
    'members',
    (message) => {
      flag(message.fresh, 'fresh');
      for (const member of list(message.members, 'members', MAX_MEMBERS)) checkMember(member);
    },
  ],
  [
    'refused',
    (message) => {
      whole(message.request, 'request');
      checkFault(message.fault);
    },
  ],
  [
    'cancel',
    (message) => {
      checkContent(message.content);
      for (const lease of list(message.leases, 'leases')) whole(lease, 'lease');
    },
  ],
  [
    'shape',
    (message) => {
      checkContent(message.content);
      checkShape(message.shape);
    },
  ],
  ['manifest', (message) => checkManifest(message.manifest)],
  [
    'failed',
    (message) => {
      checkContent(message.content);
      checkFault(message.fault);
    },
  ],
  ['ask-manifest', (message) => checkContent(message.content)],
  [
    'fetch',
    (message) => {
      whole(message.fetch, 'fetch');
      checkTask(message.task);
      checkSpec(message.spec);
      text(message.grant, 'grant', MAX_GRANT_CHARS);
    },
  ],
  ['stop-fetch', (message) => void whole(message.fetch, 'fetch')],
]);

/** `given` is nothing without its bytes. */
const SUPERNODE_BYTES_CHECKS: ReadonlyMap<unknown, Check> = new Map<unknown, Check>([
  ...SUPERNODE_CHECKS,
  [
    'given',
    (message) => {
      checkContent(message.content);
      whole(message.lease, 'lease');
    },
  ],
]);
