/**
 * Taking our lines out again. Where nothing else was changed since, the file comes back byte for byte as it was; where
 * somebody edited it, the edits stay and only our lines go. A file that we made and nobody filled goes as a whole.
 */
import { type Edit, editOf, type Files } from './plan.ts';

export type Undoing = {
  /** The text without our lines. */
  readonly take: (text: string) => string;
  /** Whether nothing is left in it that means anything. */
  readonly blank: (text: string) => boolean;
  /** Whether two texts say the same. */
  readonly same: (one: string, other: string) => boolean;
};

/** The file's edit, or none when our lines are not in it. */
export function undoEdit(files: Files, backups: Files, path: string, { take, blank, same }: Undoing): Edit[] {
  const now = files.get(path);
  if (now === undefined) return [];
  const rest = take(now);
  if (rest === now) return [];
  const backup = backups.get(path);
  if (backup !== undefined) return editOf(files, path, same(rest, backup) ? backup : rest);
  return editOf(files, path, blank(rest) ? undefined : rest);
}

/** For texts whose lines count and whose blank ends do not. */
export const byLines: Pick<Undoing, 'blank' | 'same'> = {
  blank: (text) => text.trim() === '',
  same: (one, other) => one.trim() === other.trim(),
};
