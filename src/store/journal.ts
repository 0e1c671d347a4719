/**
 * The journal of one content on disk. Invariants: one write at a time, in order; `append` resolves only when its record
 * has been handed to the kernel, which makes it survive the death of this process; a write that failed leaves the end
 * where it was, so the next one covers the torn rest. Records of concurrent appends share one write.
 */

import { writeAt } from '../io/file-bytes.ts';
import { LazyFile, type OpenFiles } from '../io/open-files.ts';
import { saveAtomically } from '../io/whole-file.ts';
import { encodeHeader, encodeRecord, type JournalHeader, type JournalRecord } from './journal-format.ts';

type Waiting = {
  readonly bytes: Buffer;
  readonly written: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

export class Journal {
  readonly #files: OpenFiles;
  readonly #file: LazyFile;
  #end: number;
  #waiting: Waiting[] = [];
  /** The tail of the one line in which all writes stand. */
  #last: Promise<void> = Promise.resolve();

  constructor(files: OpenFiles, path: string, end: number) {
    this.#files = files;
    this.#file = new LazyFile(path);
    this.#end = end;
  }

  /** Of a new content: nothing stands under the name, and this comes before all else. */
  begin(header: JournalHeader): Promise<void> {
    return this.#files.use(this.#file, (fd) => writeAt(fd, encodeHeader(header), 0, this.#file.path));
  }

  /** `written` is called in the same step as the journal counts the record in: a rewrite sees both or none. */
  append(record: JournalRecord, written: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes: encodeRecord(record), written, resolve, reject });
      if (this.#waiting.length === 1) void this.#inLine(() => this.#flush());
    });
  }

  /** Replaces header and records in one atomic step; what was appended before the call is written first and replaced. */
  rewrite(header: JournalHeader, records: () => readonly JournalRecord[]): Promise<void> {
    return this.#inLine(async () => {
      const bytes = Buffer.concat([encodeHeader(header), ...records().map(encodeRecord)]);
      await saveAtomically(this.#file.path, bytes);
      await this.#files.forget(this.#file);
      this.#end = bytes.length;
    });
  }

  /** The folder was renamed. */
  moved(path: string): void {
    this.#file.path = path;
  }

  /** Waits for what is being written and closes the file. */
  async close(): Promise<void> {
    await this.#last;
    await this.#files.forget(this.#file);
  }

  #inLine(work: () => Promise<void>): Promise<void> {
    const run = this.#last.then(work);
    this.#last = run.catch(() => undefined);
    return run;
  }

  async #flush(): Promise<void> {
    const batch = this.#waiting;
    this.#waiting = [];
    const bytes = Buffer.concat(batch.map((each) => each.bytes));
    try {
      await this.#files.use(this.#file, (fd) => writeAt(fd, bytes, this.#end, this.#file.path));
    } catch (error) {
      for (const each of batch) each.reject(error);
      return;
    }
    this.#end += bytes.length;
    for (const each of batch) {
      each.written();
      each.resolve();
    }
  }
}
