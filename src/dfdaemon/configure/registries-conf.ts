/**
 * podman, buildah, skopeo and CRI-O: a file of ours in registries.conf.d with a mirror per registry. A table of a later
 * file replaces the whole table of an earlier one, so ours repeats what was said of that registry and only puts dfdaemon
 * first. The path tells dfdaemon the registry: these engines send neither `?ns=` nor a header.
 */
import { parse, stringify, type TomlTable } from 'smol-toml';
import { Fault } from '../../protocol/faults.ts';
import { type Engine, editOf, type Files, type Registry } from './plan.ts';

const MAIN = '/etc/containers/registries.conf';
const FOLDER = '/etc/containers/registries.conf.d';
/** Late in the order of names, so that nothing replaces it. */
const OURS = `${FOLDER}/99-dragonfly.conf`;
const HEAD = '# Made by "dfdaemon configure", removed by "--undo". For podman, buildah, skopeo and CRI-O.\n';
const HUB: Registry = { name: 'docker.io', url: '' };
const LOGIN =
  'a private registry needs its credentials under the name of the mirror too: podman login HOST:PORT/REGISTRY with dfdaemon as HOST:PORT';

export function registriesConf(after: string): Engine {
  return {
    looksAt: [MAIN, { folder: FOLDER, ends: '.conf' }],
    plan(files, request) {
      const asked = request.registries.length === 0 ? [HUB] : request.registries;
      const kept = ourTables(files).filter(({ prefix }) => !asked.some(({ name }) => name === prefix));
      const all = [...kept.map(registryOf), ...asked];
      const tables = all.map((registry) => mirrored(files, registry, request.address));
      const edits = editOf(files, OURS, written(tables));
      return { edits, notes: edits.length === 0 ? [] : [after, LOGIN] };
    },
    undo(files, _backups, { registries }) {
      const kept = ourTables(files).filter(({ prefix }) => registries.every(({ name }) => name !== prefix));
      const left = registries.length === 0 || kept.length === 0 ? undefined : written(kept);
      const edits = files.has(OURS) ? editOf(files, OURS, left) : [];
      return { edits, notes: edits.length === 0 ? [] : [after] };
    },
  };
}

function written(tables: readonly TomlTable[]): string {
  return `${HEAD}${stringify({ registry: [...tables] }).trimEnd()}\n`;
}

function ourTables(files: Files): readonly TomlTable[] {
  return tablesOf(files.get(OURS) ?? '', OURS);
}

function registryOf({ prefix, insecure }: TomlTable): Registry {
  return { name: String(prefix), url: insecure === true ? 'http:' : '' };
}

function mirrored(files: Files, { name, url }: Registry, address: string): TomlTable {
  const said = tableOf(files, name);
  if (said?.blocked === true) throw new Fault('usage', `${name} is blocked in ${MAIN} or ${FOLDER}; remove that first`);
  const location = typeof said?.location === 'string' ? said.location : name;
  const ours = { location: `${address}/${location}`, insecure: true };
  const others = Array.isArray(said?.mirror) ? said.mirror : [];
  return {
    prefix: name,
    location,
    ...(url.startsWith('http:') ? { insecure: true } : {}),
    ...said,
    mirror: [ours, ...others],
  };
}

/** What the other files say of the registry: the last one counts. */
function tableOf(files: Files, name: string): TomlTable | undefined {
  const names = [MAIN, ...[...files.keys()].filter((path) => path !== MAIN && path !== OURS).sort()];
  const tables = names.flatMap((path) => tablesOf(files.get(path) ?? '', path));
  return tables.findLast((table) => (table.prefix ?? table.location) === name);
}

function tablesOf(text: string, path: string): readonly TomlTable[] {
  let config: TomlTable;
  try {
    config = parse(text);
  } catch (error) {
    throw new Fault('usage', `${path} cannot be read; the engine would not start with it`, { cause: error });
  }
  if (config.registries !== undefined)
    throw new Fault('usage', `${path} is of version 1, which does not know mirrors; rewrite it as version 2`);
  return Array.isArray(config.registry) ? (config.registry as TomlTable[]) : [];
}
