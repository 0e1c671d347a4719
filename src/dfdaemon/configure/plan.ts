/**
 * What `dfdaemon configure` wants of an engine: which files to look at, and what their contents lead to. A plan is plain
 * data, made from texts alone: it can be shown before it is carried out, and a second plan after it has no edits.
 */

/** Contents by path; what is not there is not in the map. */
export type Files = ReadonlyMap<string, string>;

/** `after` undefined: the file goes. */
export type Edit = { readonly path: string; readonly before: string | undefined; readonly after: string | undefined };

export type Plan = {
  readonly edits: readonly Edit[];
  /** What the user has to know or to do, one sentence each. */
  readonly notes: readonly string[];
};

/** Where dfdaemon answers and for which registries: the two things that every engine is told. */
export type Request = {
  /** `host:port` of dfdaemon. */
  readonly address: string;
  readonly registries: readonly Registry[];
};

/** `name` is what image names begin with; `url` is where it answers. */
export type Registry = { readonly name: string; readonly url: string };

/** Files, or every file of a folder whose name ends so; '*' in a folder stands for each folder in it. */
export type Look = string | { readonly folder: string; readonly ends: string };

export type Engine = {
  readonly looksAt: readonly Look[] | ((files: Files) => readonly Look[]);
  plan(files: Files, request: Request): Plan;
  /** `backups` are the texts from before the first change, by the path of the file itself. */
  undo(files: Files, backups: Files, request: Request): Plan;
};

/** Leaves out what changes nothing. */
export function editOf(files: Files, path: string, after: string | undefined): Edit[] {
  const before = files.get(path);
  return before === after ? [] : [{ path, before, after }];
}
