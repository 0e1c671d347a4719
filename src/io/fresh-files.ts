/**
 * Files that are made beside the place where they belong and then renamed. A killed process leaves such a file where nobody would look for
 * it: in a folder of its users. So a ledger in the process's own folder names the folders in which it makes any, and the next life
 * removes what lies there under the mark of an earlier one.
 *
 * The ledger has a line of JSON per folder, `["mark","folder"]`. It is written before the first file is made, and not brought to the disk:
 * after a power cut a file may stay. Marks are drawn at each start, so that the sweep can never meet a file of a living process.
 */
import { basename, dirname, join } from 'node:path';
import { Fault } from '../protocol/faults.ts';
import { appendText, listFolder, readSmall, removeFile } from './disk.ts';
import { randomHex } from './hash.ts';
import { saveAtomically } from './whole-file.ts';

/** Lines of the ledger before folders are forgotten in which nothing is being made. */
const MAX_LINES = 256;
const MARK_BYTES = 6;
/** Names of files have at most 255 bytes; this many characters leave room for ours, in any script. */
const NAME_PART = 48;

type Line = readonly [mark: string, folder: string];

export class FreshFiles {
  readonly #ledger: string;
  readonly #mark = randomHex(MARK_BYTES);
  readonly #onError: (fault: Fault) => void;
  /** Folders in the ledger, with the files that are being made in each. */
  readonly #folders = new Map<string, number>();
  /** Of earlier lives, until they are swept. */
  #old: readonly Line[];
  #sweep: Promise<void> = Promise.resolve();
  #writing: Promise<void> = Promise.resolve();
  #made = 0;

  private constructor(ledger: string, old: readonly Line[], onError: (fault: Fault) => void) {
    this.#ledger = ledger;
    this.#old = old;
    this.#onError = onError;
  }

  /** What an earlier life left is removed while this one goes on already. `onError` is told of trouble that costs only tidiness. */
  static async open(ledger: string, onError: (fault: Fault) => void): Promise<FreshFiles> {
    const text = (await readSmall(ledger))?.toString('utf8') ?? '';
    const files = new FreshFiles(ledger, text.split('\n').flatMap(lineOf), onError);
    files.#sweep = files.#sweepOld();
    return files;
  }

  /** `work` makes a file under the name it is given and renames it to `to`; what is left under that name is removed. */
  async use<T>(to: string, work: (fresh: string) => Promise<T>): Promise<T> {
    const folder = dirname(to);
    await this.#enter(folder);
    this.#made++;
    const name = `.${basename(to).slice(0, NAME_PART)}.${this.#mark}${this.#made.toString(36)}.dfget`;
    const fresh = join(folder, name);
    try {
      return await work(fresh);
    } catch (error) {
      // The first error is the one to tell; a leftover is only untidy.
      await removeFile(fresh).catch(() => undefined);
      throw error;
    } finally {
      this.#folders.set(folder, (this.#folders.get(folder) ?? 1) - 1);
    }
  }

  /** Resolves when what earlier lives left is gone. */
  swept(): Promise<void> {
    return this.#sweep;
  }

  /** Forgets the folders, unless something is still being made. */
  async close(): Promise<void> {
    await this.#sweep;
    await this.#writing;
    const making = [...this.#folders.values()].some((files) => files > 0);
    if (!making) await this.#tidily(removeFile(this.#ledger));
  }

  async #enter(folder: string): Promise<void> {
    const making = this.#folders.get(folder);
    this.#folders.set(folder, (making ?? 0) + 1);
    if (making === undefined) {
      const line: Line = [this.#mark, folder];
      this.#writing = this.#writing.then(() =>
        this.#tidily(
          this.#folders.size > MAX_LINES ? this.#compact() : appendText(this.#ledger, `${JSON.stringify(line)}\n`),
        ),
      );
    }
    // Also for who comes second: the folder may still be on its way into the ledger.
    await this.#writing;
  }

  async #compact(): Promise<void> {
    for (const [folder, making] of this.#folders) if (making === 0) this.#folders.delete(folder);
    const own = [...this.#folders.keys()].map((folder): Line => [this.#mark, folder]);
    await saveAtomically(this.#ledger, [...this.#old, ...own].map((line) => `${JSON.stringify(line)}\n`).join(''));
  }

  async #sweepOld(): Promise<void> {
    const marks = new Map<string, Set<string>>();
    for (const [mark, folder] of this.#old) marks.set(folder, (marks.get(folder) ?? new Set()).add(mark));
    for (const [folder, ofFolder] of marks) await this.#tidily(sweepFolder(folder, ofFolder));
    if (this.#old.length === 0) return;
    this.#old = [];
    this.#writing = this.#writing.then(() => this.#tidily(this.#compact()));
    await this.#writing;
  }

  async #tidily(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.#onError(Fault.of(error));
    }
  }
}

async function sweepFolder(folder: string, marks: ReadonlySet<string>): Promise<void> {
  for (const name of await listFolder(folder)) {
    const mark = /^\..*\.([0-9a-f]{12})[0-9a-z]+\.dfget$/s.exec(name)?.[1];
    if (mark !== undefined && marks.has(mark)) await removeFile(join(folder, name));
  }
}

/** None for a line that a killed process did not finish. */
function lineOf(text: string): Line[] {
  try {
    const line: unknown = JSON.parse(text);
    if (!Array.isArray(line)) return [];
    const [mark, folder] = line as unknown[];
    return typeof mark === 'string' && typeof folder === 'string' ? [[mark, folder]] : [];
  } catch {
    return [];
  }
}
