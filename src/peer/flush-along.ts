/**
 * For an asker who wants his file on the disk itself: what has come is brought there while the rest comes. All of it at the end would make
 * him wait as long as the disk needs for the whole content, after the last byte and with an idle network. One sync at a time, each for a
 * good part of the content: every one also costs the file system a commit.
 */
import type { Download, DownloadProgress } from './engine.ts';

/** Less is not worth a commit. */
const LEAST_BYTES = 8 * 1024 * 1024;
/** What the disk has to do after the last byte is this part of the content, or what came during one sync. */
const PARTS = 16;
/** As much as a disk writes in about a second. */
const MOST_BYTES = 256 * 1024 * 1024;

/** Towards the end even this little is, because somebody waits for what is not on the disk by then. */
const LAST_BYTES = 1024 * 1024;

/**
 * Bytes that make the next sync worth while, of a content of `length` bytes (null: not known yet) of which `done` are here: half of what is
 * left once that is less than the usual step. A handful of syncs more, and the last one has a megabyte or two to write.
 */
function flushStep(length: number | null, done: number): number {
  const usual = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, (length ?? 0) / PARTS));
  if (length === null || length <= usual) return usual;
  return Math.min(usual, Math.max(LAST_BYTES, (length - done) / 2));
}

/** Until the returned function is called. What goes wrong shows again, and counts, at the hand-over. */
export function flushAlong(download: Pick<Download, 'onProgress' | 'flush' | 'progress'>): () => void {
  // What lies on the disk since an earlier download has got there long ago, as a rule.
  let flushed = download.progress.done;
  let running = false;
  return download.onProgress(({ length, done }: DownloadProgress) => {
    if (running || done === length || done - flushed < flushStep(length, done)) return;
    running = true;
    flushed = done;
    const over = () => {
      running = false;
    };
    download.flush().then(over, over);
  });
}
