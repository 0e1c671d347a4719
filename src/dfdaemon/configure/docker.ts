/**
 * dockerd: `registry-mirrors` in daemon.json, which it uses for docker.io alone and reads again on SIGHUP. The file is
 * JSON without comments, so our entry is known by its value.
 */
import { isDeepStrictEqual } from 'node:util';
import { Fault } from '../../protocol/faults.ts';
import { type Engine, editOf, type Files } from './plan.ts';
import { undoEdit } from './undo.ts';

const FILE = '/etc/docker/daemon.json';
const KEY = 'registry-mirrors';
const HUB = 'docker.io';
const RELOAD = 'dockerd reads the list again after: systemctl reload docker';
const OTHERS =
  'dockerd knows mirrors for docker.io alone; for other registries give it dfdaemon as its HTTPS proxy ("proxies" in daemon.json) and name them in hijack_https';

type Daemon = Readonly<Record<string, unknown>>;

export const docker: Engine = {
  looksAt: [FILE],
  plan(files, { address, registries }) {
    const other = registries.find(({ name }) => name !== HUB);
    if (other !== undefined) throw new Fault('usage', `--registry ${other.name}: ${OTHERS}`);
    const mirror = `http://${address}`;
    const daemon = daemonOf(files);
    const mirrors = mirrorsOf(daemon);
    if (mirrors[0] === mirror) return { edits: [], notes: [OTHERS] };
    const list = [mirror, ...mirrors.filter((one) => one !== mirror && one !== `${mirror}/`)];
    const edits = editOf(files, FILE, written({ ...daemon, [KEY]: list }, files.get(FILE)));
    return { edits, notes: [RELOAD, OTHERS] };
  },
  undo(files, backups, { address }) {
    const hadList = KEY in jsonOf(backups.get(FILE) ?? '{}');
    const edits = undoEdit(files, backups, FILE, {
      take: (text) => withoutMirror(text, `http://${address}`, hadList),
      blank: (text) => Object.keys(jsonOf(text)).length === 0,
      same: (one, other) => isDeepStrictEqual(jsonOf(one), jsonOf(other)),
    });
    return { edits, notes: edits.length === 0 ? [] : [RELOAD] };
  },
};

function daemonOf(files: Files): Daemon {
  return jsonOf(files.get(FILE) ?? '{}');
}

function jsonOf(text: string): Daemon {
  let value: unknown;
  try {
    value = text.trim() === '' ? {} : JSON.parse(text);
  } catch (error) {
    throw new Fault('usage', `${FILE} is no JSON, so it is not touched`, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Fault('usage', `${FILE} holds no object, so it is not touched`);
  return value as Daemon;
}

function mirrorsOf(daemon: Daemon): readonly unknown[] {
  const list = daemon[KEY] ?? [];
  if (!Array.isArray(list)) throw new Fault('usage', `${KEY} in ${FILE} is no list, so it is not touched`);
  return list;
}

/** An empty list goes too, unless there was a list before us. */
function withoutMirror(text: string, mirror: string, keepsList: boolean): string {
  const daemon = jsonOf(text);
  const mirrors = mirrorsOf(daemon);
  if (!mirrors.includes(mirror)) return text;
  const left = mirrors.filter((one) => one !== mirror);
  const { [KEY]: _, ...rest } = daemon;
  return written(left.length === 0 && !keepsList ? rest : { ...daemon, [KEY]: left }, text);
}

/** Indented as it was, or by two. */
function written(daemon: Daemon, like: string | undefined): string {
  const indent = /\n([ \t]+)"/.exec(like ?? '')?.[1] ?? '  ';
  return `${JSON.stringify(daemon, null, indent)}\n`;
}
