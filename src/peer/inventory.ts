/** All that this host holds, in messages of bounded size: what a supernode learns the swarm from. */
import type { HostMessage, InventoryEntry } from '../protocol/messages.ts';
import { heldText } from '../store/serving.ts';
import type { StoredContent } from '../store/store.ts';

const ENTRIES_PER_MESSAGE = 256;

export function inventoryEntry(content: StoredContent): InventoryEntry {
  const { id, shape, meta } = content;
  return { content: id, shape, held: heldText(content), hasManifest: meta.manifest !== undefined };
}

/** At least one message; the last one says so. Contents of which nothing is held are left out. */
export function inventoryMessages(contents: readonly StoredContent[]): readonly HostMessage[] {
  const entries = contents.filter((content) => content.held.count > 0 || content.complete).map(inventoryEntry);
  const messages: HostMessage[] = [];
  for (let from = 0; from === 0 || from < entries.length; from += ENTRIES_PER_MESSAGE) {
    const contentsOfOne = entries.slice(from, from + ENTRIES_PER_MESSAGE);
    messages.push({ type: 'inventory', contents: contentsOfOne, last: from + ENTRIES_PER_MESSAGE >= entries.length });
  }
  return messages;
}
