/**
 * The folders of a store, and what is in them at start. Only metas and journals are read, never data: a store of any
 * number of bytes opens in the time that its contents' number takes.
 *
 *     root/VERSION                          "1"
 *     root/lock                             who uses it (io/lock-file.ts)
 *     root/outputs                          where files were being put in place (io/fresh-files.ts)
 *     root/contents/<2>/<content id>/       <2> = the id's first two digits
 *         data                              the plain bytes, sparse while pieces are missing
 *         journal                           what of it is held (journal-format.ts)
 *         meta.json                         ContentMeta and usedAt
 *     root/trash/                           contents on their way out
 */
import { join } from 'node:path';
import { listFolder, loadJson, makeFolder, makeNewFolder, readSmall, removeTree, truncateFile } from '../io/disk.ts';
import { randomHex } from '../io/hash.ts';
import { LazyFile } from '../io/open-files.ts';
import { saveAtomically } from '../io/whole-file.ts';
import { Fault } from '../protocol/faults.ts';
import { type ContentId, parseContentId } from '../protocol/ids.ts';
import type { ContentShape } from '../protocol/piece.ts';
import type { ContentHome } from './content-home.ts';
import { DiskContent, JOURNAL_NAME, META_NAME } from './disk-content.ts';
import { Journal } from './journal.ts';
import { decodeJournal, HEADER_BYTES, type JournalReading } from './journal-format.ts';
import { PieceTable } from './piece-table.ts';
import type { ContentMeta } from './store.ts';

export const STORE_VERSION = '1';
/** Contents read at the same time: enough to keep the disk busy. */
const CONCURRENT_LOADS = 32;

export class Folders {
  readonly root: string;
  readonly #made = new Set<string>();
  readonly #run = randomHex(4);
  #trashed = 0;

  constructor(root: string) {
    this.root = root;
  }

  get lock(): string {
    return join(this.root, 'lock');
  }

  /** The ledger of the folders in which outputs are being made. */
  get outputs(): string {
    return join(this.root, 'outputs');
  }

  get contents(): string {
    return join(this.root, 'contents');
  }

  get trash(): string {
    return join(this.root, 'trash');
  }

  of(id: ContentId): string {
    return join(this.contents, id.slice(0, 2), id);
  }

  /** A name that no earlier life of the process has used either: what it left there is still being removed. */
  nextTrash(id: string): string {
    this.#trashed++;
    return join(this.trash, `${this.#run}-${this.#trashed}-${id}`);
  }

  /** What earlier lives left in the trash. */
  async trashed(): Promise<readonly string[]> {
    return (await listFolder(this.trash)).map((name) => join(this.trash, name));
  }

  async make(path: string): Promise<void> {
    if (this.#made.has(path)) return;
    await makeFolder(path);
    this.#made.add(path);
  }

  /** Fault store-version when another version wrote it. */
  async checkVersion(): Promise<void> {
    const path = join(this.root, 'VERSION');
    const found = (await readSmall(path))?.toString('utf8').trim();
    if (found === STORE_VERSION) return;
    if (found !== undefined || (await listFolder(this.contents)).length > 0) {
      const what = found === undefined ? 'no version' : `version ${found.slice(0, 20)}`;
      throw new Fault(
        'store-version',
        `${this.root} has ${what}, this program needs ${STORE_VERSION}; choose another home or remove it`,
      );
    }
    await saveAtomically(path, `${STORE_VERSION}\n`);
  }
}

/**
 * A new content of which nothing is held; what an older one left in the folder is removed. Its files are made while the content
 * is in use already: its first piece can be read before they are there, and is held only after them.
 */
export function makeContent(
  home: ContentHome,
  folders: Folders,
  made: { readonly id: ContentId; readonly shape: ContentShape; readonly meta: ContentMeta },
): DiskContent {
  const { id, shape, meta } = made;
  const folder = folders.of(id);
  const { bootId } = home;
  const journal = new Journal(home.files, join(folder, JOURNAL_NAME), HEADER_BYTES);
  const usedAt = home.clock.wall();
  const table = new PieceTable(shape);
  const content = new DiskContent(home, { id, folder, meta, usedAt, table, journal, bootId });
  content.make(async () => {
    await folders.make(join(folders.contents, id.slice(0, 2)));
    if (!(await makeNewFolder(folder))) {
      await removeTree(folder);
      await makeFolder(folder);
    }
    await journal.begin({ shape, bootId });
  });
  return content;
}

/** All contents that are whole enough to be used; the rest is removed and told. */
export async function loadContents(home: ContentHome, folders: Folders): Promise<readonly DiskContent[]> {
  const ids: ContentId[] = [];
  for (const part of await listFolder(folders.contents)) {
    for (const name of await listFolder(join(folders.contents, part))) {
      const id = parseContentId(name);
      if (id !== undefined && name.startsWith(part)) ids.push(id);
    }
  }
  const loaded: DiskContent[] = [];
  const next = ids.values();
  const worker = async () => {
    for (const id of next) {
      const content = await loadContent(home, folders.of(id), id);
      if (content !== undefined) loaded.push(content);
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_LOADS }, worker));
  return loaded;
}

async function loadContent(home: ContentHome, folder: string, id: ContentId): Promise<DiskContent | undefined> {
  try {
    const meta = parseMeta(await loadJson(join(folder, META_NAME)));
    const bytes = await readSmall(join(folder, JOURNAL_NAME));
    const reading = bytes === undefined ? undefined : decodeJournal(bytes);
    if (meta !== undefined && reading !== undefined && bytes !== undefined) {
      if (reading.end < bytes.length) await cutTail(home, join(folder, JOURNAL_NAME), reading.end);
      return await fromJournal(home, { id, folder, reading, ...meta });
    }
    home.onError(new Fault('local-io', `removed ${folder}: it was not finished or is damaged`));
    await removeTree(folder);
  } catch (error) {
    home.onError(Fault.of(error));
  }
  return undefined;
}

/** Behind a torn record older ones may stand that must not come to life again. */
async function cutTail(home: ContentHome, path: string, end: number): Promise<void> {
  const file = new LazyFile(path);
  await home.files.use(file, (fd) => truncateFile(fd, end, path));
  await home.files.forget(file);
}

type Found = {
  readonly id: ContentId;
  readonly folder: string;
  readonly reading: JournalReading;
  readonly meta: ContentMeta;
  readonly usedAt: number;
};

async function fromJournal(home: ContentHome, found: Found): Promise<DiskContent> {
  const { id, folder, reading, meta, usedAt } = found;
  const { shape, bootId } = reading.header;
  const table = new PieceTable(shape);
  for (const record of reading.records) {
    if (record.type === 'dropped') table.drop(record.piece);
    else if (table.fits(record.piece, record.bytes)) table.hold(record.piece, record.bytes, record.digest, false);
  }
  const journal = new Journal(home.files, join(folder, JOURNAL_NAME), reading.end);
  const content = new DiskContent(home, { id, folder, meta, usedAt, table, journal, bootId });
  await content.lookAtLinks();
  return content;
}

function parseMeta(value: unknown): { meta: ContentMeta; usedAt: number } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { usedAt, ...meta } = value as Record<string, unknown>;
  if (typeof meta.url !== 'string' || typeof meta.facts !== 'object' || meta.facts === null) return undefined;
  if (typeof usedAt !== 'number') return undefined;
  // Only this program writes it, and the signature proves the manifest to whoever needs proof.
  return { meta: meta as unknown as ContentMeta, usedAt };
}
