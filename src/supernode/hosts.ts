/**
 * The hosts with a session, and what they say they hold of contents that nobody has opened yet. A host joins the swarm of a content only once
 * the supernode itself knows the content: before, its shape would be a stranger's word.
 */
import { Bitfield } from '../base/bitfield.ts';
import type { Session } from '../io/session.ts';
import type { HostDescription, ParentAddress } from '../protocol/host.ts';
import { type ContentId, type HostId, type TaskId, taskOf } from '../protocol/ids.ts';
import type { InventoryEntry, SupernodeMessage } from '../protocol/messages.ts';
import { type ContentShape, pieceCount } from '../protocol/piece.ts';
import type { IsolationReason } from '../scheduler/trust.ts';

export type HostSession = Pick<
  Session<SupernodeMessage>,
  'send' | 'sendText' | 'sendBytes' | 'sendNow' | 'quietMs' | 'ping' | 'close'
>;

export type HostRecord = {
  readonly description: HostDescription;
  /** Where its pieces are. */
  readonly address: ParentAddress;
  readonly session: HostSession;
  /** Milliseconds since 1970. */
  readonly joinedAt: number;
  /** Offered contents that are in no swarm of ours yet. */
  readonly offers: Map<ContentId, InventoryEntry>;
  /** Contents in whose swarm it is; true = it downloads. */
  readonly swarms: Map<ContentId, boolean>;
  /** Contents whose manifest it was sent or has. */
  readonly manifests: Set<ContentId>;
  /** Contents whose first piece it will take with its assignment, up to so many bytes. */
  readonly gives: Map<ContentId, number>;
  isolated: IsolationReason | undefined;
};

export type Offer = { readonly record: HostRecord; readonly entry: InventoryEntry };

export class Hosts {
  readonly #records = new Map<HostId, HostRecord>();
  /** Per task, its contents that hosts offer, and which hosts. */
  readonly #offers = new Map<TaskId, Map<ContentId, Set<HostRecord>>>();
  /** The supernode's own cache as a host. */
  readonly seed: ParentAddress;

  constructor(seed: ParentAddress) {
    this.seed = seed;
  }

  get count(): number {
    return this.#records.size;
  }

  /** What must not grow for ever. */
  get counts(): {
    readonly hosts: number;
    readonly offers: number;
    readonly offeredTasks: number;
    readonly known: number;
  } {
    let [offers, known] = [0, 0];
    for (const record of this.#records.values()) {
      offers += record.offers.size;
      known += record.swarms.size + record.manifests.size + record.gives.size;
    }
    return { hosts: this.#records.size, offers, offeredTasks: this.#offers.size, known };
  }

  /** Downloads that this supernode schedules, over all hosts. */
  get downloads(): number {
    let count = 0;
    for (const { swarms } of this.#records.values()) for (const downloads of swarms.values()) if (downloads) count++;
    return count;
  }

  get all(): Iterable<HostRecord> {
    return this.#records.values();
  }

  find(id: HostId): HostRecord | undefined {
    return this.#records.get(id);
  }

  add(record: HostRecord): void {
    this.#records.set(record.description.id, record);
  }

  /** Undefined when another session has taken its place meanwhile. */
  remove(id: HostId, session: HostSession): HostRecord | undefined {
    const record = this.#records.get(id);
    if (record === undefined || record.session !== session) return undefined;
    for (const content of record.offers.keys()) this.#unlist(record, content);
    this.#records.delete(id);
    return record;
  }

  /** The same object as long as the host's session stands. */
  addressOf(id: HostId): ParentAddress | undefined {
    return this.#records.get(id)?.address ?? (id === this.seed.id ? this.seed : undefined);
  }

  offer(record: HostRecord, entry: InventoryEntry): void {
    const { content } = entry;
    record.offers.set(content, entry);
    const task = taskOf(content);
    let contents = this.#offers.get(task);
    if (contents === undefined) {
      contents = new Map();
      this.#offers.set(task, contents);
    }
    const hosts = contents.get(content);
    if (hosts === undefined) contents.set(content, new Set([record]));
    else hosts.add(record);
  }

  withdraw(record: HostRecord, content: ContentId): InventoryEntry | undefined {
    const entry = record.offers.get(content);
    if (entry === undefined) return undefined;
    record.offers.delete(content);
    this.#unlist(record, content);
    return entry;
  }

  /** Some host has brought contents with it. */
  get offered(): boolean {
    return this.#offers.size > 0;
  }

  /** Who offers some content of the task, one content after the other. */
  offersOf(task: TaskId): Offer[] {
    const found: Offer[] = [];
    for (const [content, records] of this.#offers.get(task) ?? []) collect(content, records, found);
    return found;
  }

  offersOfContent(content: ContentId): Offer[] {
    const found: Offer[] = [];
    collect(content, this.#offers.get(taskOf(content))?.get(content) ?? [], found);
    return found;
  }

  #unlist(record: HostRecord, content: ContentId): void {
    const task = taskOf(content);
    const contents = this.#offers.get(task);
    const hosts = contents?.get(content);
    hosts?.delete(record);
    if (hosts?.size === 0) contents?.delete(content);
    if (contents?.size === 0) this.#offers.delete(task);
  }
}

function collect(content: ContentId, records: Iterable<HostRecord>, found: Offer[]): void {
  for (const record of records) {
    const entry = record.offers.get(content);
    if (entry !== undefined) found.push({ record, entry });
  }
}

/** What a host holds, in the words of an inventory. */
export function heldWords(held: Bitfield): string {
  return held.full ? 'all' : Buffer.from(held.toBytes()).toString('base64');
}

/** What a host says that it holds, as far as it fits the content that we know; another shape is nothing. */
export function heldOf(text: string, theirs: ContentShape, ours: ContentShape): Bitfield | undefined {
  if (theirs.pieceSize !== ours.pieceSize || theirs.length === null || theirs.length !== ours.length) return undefined;
  const pieces = pieceCount(ours);
  if (text === 'all') return Bitfield.full(pieces);
  try {
    return Bitfield.fromBytes(Buffer.from(text, 'base64'), pieces);
  } catch {
    return undefined; // Bits that no content of this shape can have.
  }
}
