/**
 * containerd: one hosts.toml per registry under its certs.d, or one for all registries, which then tells us the registry
 * by `?ns=`. Read at every pull, so nothing is restarted. The folder itself has to be named once by `config_path` in
 * config.toml, for Kubernetes (CRI) alone; `ctr` is told it by --hosts-dir, nerdctl knows it.
 */
import { parse, type TomlTable } from 'smol-toml';
import { Fault } from '../../protocol/faults.ts';
import { beforeTables, block, quoted, wholeLines, withoutBlocks } from './block.ts';
import { type Engine, editOf, type Files, type Look, type Plan, type Registry, type Request } from './plan.ts';
import { byLines, undoEdit } from './undo.ts';

const CONFIG = '/etc/containerd/config.toml';
const FOLDER = '/etc/containerd/certs.d';
const ALL: Registry = { name: '_default', url: '' };
/** The registry settings of CRI by the version of config.toml. */
const PLUGINS: Readonly<Record<number, string>> = {
  2: 'io.containerd.grpc.v1.cri',
  3: 'io.containerd.cri.v1.images',
};
const RESTART = 'restart containerd once, so that Kubernetes uses the folder: systemctl restart containerd';

export const containerd: Engine = {
  looksAt: (files): readonly Look[] => [CONFIG, { folder: `${folderOf(files)}/*`, ends: 'hosts.toml' }],
  plan(files, request) {
    const { folder, edits, notes } = planConfig(files);
    const registries = request.registries.length === 0 ? [ALL] : request.registries;
    const hosts = registries.map((registry) =>
      planHosts(files, `${folder}/${registry.name}/hosts.toml`, registry, request),
    );
    const how = `containerd reads hosts.toml at every pull; ctr wants: ctr images pull --hosts-dir ${folder} …`;
    return {
      edits: [...hosts.flatMap((plan) => plan.edits), ...edits],
      notes: [...hosts.flatMap((plan) => plan.notes), how, ...notes],
    };
  },
  undo(files, backups, request) {
    const named = request.registries.map(({ name }) => `${folderOf(files)}/${name}/hosts.toml`);
    const ours = [...files].filter(([path, text]) => path !== CONFIG && withoutBlocks(text) !== text);
    const hosts = ours.map(([path]) => path).filter((path) => named.length === 0 || named.includes(path));
    // The folder stays named as long as something of ours is in it.
    const paths = hosts.length === ours.length ? [...hosts, CONFIG] : hosts;
    const edits = paths.flatMap((path) => undoEdit(files, backups, path, { ...byLines, take: withoutBlocks }));
    const restart = edits.some(({ path }) => path === CONFIG);
    return { edits, notes: restart ? [RESTART.replace('uses', 'forgets')] : [] };
  },
};

function tomlOf(text: string, path: string): TomlTable {
  try {
    return parse(text);
  } catch (error) {
    const reason = error instanceof Error ? (error.message.split('\n')[0] ?? '') : '';
    throw new Fault('usage', `${path} cannot be read, so it is not touched: ${reason}`, { cause: error });
  }
}

function tableAt(table: TomlTable | undefined, ...keys: readonly string[]): TomlTable | undefined {
  let at: unknown = table;
  for (const key of keys) at = isTable(at) ? at[key] : undefined;
  return isTable(at) ? at : undefined;
}

function isTable(value: unknown): value is TomlTable {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}

type Cri = { readonly version: number; readonly plugin: string | undefined; readonly registry: TomlTable | undefined };

function criOf(files: Files): Cri {
  const config = tomlOf(files.get(CONFIG) ?? 'version = 2', CONFIG);
  const version = typeof config.version === 'number' || typeof config.version === 'bigint' ? Number(config.version) : 1;
  const plugin = PLUGINS[version];
  return {
    version,
    plugin,
    registry: plugin === undefined ? undefined : tableAt(config, 'plugins', plugin, 'registry'),
  };
}

/** What config.toml names, or what everybody names. */
function folderOf(files: Files): string {
  const path = criOf(files).registry?.config_path;
  return typeof path === 'string' && path !== '' ? (path.split(':')[0] ?? FOLDER) : FOLDER;
}

function planConfig(files: Files): Plan & { readonly folder: string } {
  const folder = folderOf(files);
  const { plugin, registry } = criOf(files);
  const line = `config_path = ${quoted(folder)}`;
  if (plugin === undefined)
    return { folder, edits: [], notes: [`${CONFIG} is of an old form; name the folder in it yourself: ${line}`] };
  if (typeof registry?.config_path === 'string' && registry.config_path !== '') return { folder, edits: [], notes: [] };
  const old = ['mirrors', 'configs'].find((key) => Object.keys(tableAt(registry, key) ?? {}).length > 0);
  const head = `[plugins.${quoted(plugin)}.registry]`;
  if (old !== undefined) {
    const why = `containerd does not start with both: move them to hosts.toml files, then add ${line}`;
    return { folder, edits: [], notes: [`${CONFIG} has registry.${old} in ${head}; ${why}`] };
  }
  const after = withConfigPath(files.get(CONFIG), { plugin, head, line, there: registry !== undefined });
  if (after === undefined) return { folder, edits: [], notes: [`add to ${head} in ${CONFIG}: ${line}`] };
  return { folder, edits: editOf(files, CONFIG, after), notes: [RESTART] };
}

/** Undefined when the table is written in a way that we do not edit (inline, dotted keys). */
function withConfigPath(
  text: string | undefined,
  { plugin, head, line, there }: { plugin: string; head: string; line: string; there: boolean },
): string | undefined {
  if (text === undefined) return `${block(['version = 2', '', head, `  ${line}`])}`;
  if (!there) return checked(`${wholeLines(text)}${block([head, `  ${line}`])}`, plugin);
  const lines = wholeLines(text).split('\n');
  const start = lines.findIndex((one) => isHead(one, ['plugins', plugin, 'registry']));
  if (start < 0) return undefined;
  const length = lines.slice(start + 1).findIndex((one) => /^\s*\[/.test(one));
  const end = length < 0 ? lines.length : start + 1 + length;
  const empty = lines.findIndex((one, at) => at > start && at < end && /^\s*config_path\s*=\s*(?:""|'')\s*$/.test(one));
  const added = block([`  ${line}`], empty < 0 ? undefined : lines[empty]).trimEnd();
  if (empty < 0) lines.splice(start + 1, 0, added);
  else lines.splice(empty, 1, added);
  return checked(lines.join('\n'), plugin);
}

function checked(text: string, plugin: string): string | undefined {
  try {
    return tableAt(parse(text), 'plugins', plugin, 'registry')?.config_path ? text : undefined;
  } catch {
    // Our line does not fit where it went: the user is told the line instead.
    return undefined;
  }
}

/** `[a."b".c]`, however its parts are quoted. */
function isHead(line: string, keys: readonly string[]): boolean {
  const match = /^\s*\[([^[\]]+)\]\s*(?:#.*)?$/.exec(line);
  if (match === null) return false;
  try {
    let at: unknown = parse(`[${match[1]}]`);
    for (const key of keys) at = isTable(at) ? at[key] : undefined;
    return isTable(at) && Object.keys(at).length === 0;
  } catch {
    return false; // an array that spans lines, not a head
  }
}

function planHosts(files: Files, path: string, registry: Registry, { address }: Request): Plan {
  const rest = withoutBlocks(files.get(path) ?? '');
  const table = tomlOf(rest, path);
  const host = `http://${address}`;
  if (tableAt(table, 'host', host) !== undefined)
    return {
      edits: [],
      notes: [`${path} names ${host} already, in lines that are not ours; they are left as they are`],
    };
  const own = typeof table.server === 'string' ? table.server : undefined;
  const url = own ?? registry.url;
  const lines = [
    ...(own === undefined && url !== '' ? [`server = ${quoted(url)}`, ''] : []),
    `[host.${quoted(host)}]`,
    '  capabilities = ["pull", "resolve"]',
    ...(url === '' ? [] : [`  [host.${quoted(host)}.header]`, `    X-Dragonfly-Registry = [${quoted(url)}]`]),
  ];
  const after = beforeTables(rest, block(lines));
  const first = Object.keys(tableAt(tomlOf(after, path), 'host') ?? {})[0];
  if (first !== host)
    throw new Fault(
      'usage',
      `${path} is written in a way that leaves no place before its first host; edit it yourself`,
    );
  return { edits: editOf(files, path, after), notes: [] };
}
