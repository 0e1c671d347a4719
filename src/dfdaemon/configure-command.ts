/**
 * `dfdaemon configure ENGINE`: shows what would change as a diff, changes it, keeps what was there before in a file
 * beside it. The plans are made in configure/; here files are read and written.
 */
import { join } from 'node:path';
import { createTwoFilesPatch } from 'diff';
import { kindOf, listFolder, makeFolder, readSmall, realPathOf, removeFile, stampAt, unless } from '../io/disk.ts';
import { type FlagTable, flagHelp, parseFlags } from '../io/flags.ts';
import { saveAtomically } from '../io/whole-file.ts';
import { Fault } from '../protocol/faults.ts';
import { ENGINES } from './configure/engines.ts';
import type { Edit, Engine, Files, Look, Plan, Registry } from './configure/plan.ts';

const ADDRESS = '127.0.0.1:65001';
const BACKUP = '.before-dfdaemon';
const NEW_FILE_MODE = 0o644;
const MODE_BITS = 0o7777n;
const HUB_URL = 'https://registry-1.docker.io';
const REGISTRY = /^(?:(https?):\/\/)?([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::\d{1,5})?)\/?$/i;
const HOST_PORT = /^(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:]+\]):\d{1,5}$/i;

const FLAGS = {
  registry: { kind: 'list', value: 'HOST[:PORT],…', help: 'registries whose images come by way of dfdaemon' },
  address: { kind: 'text', value: 'HOST:PORT', help: `where dfdaemon answers (${ADDRESS})` },
  'dry-run': { kind: 'boolean', help: 'show the difference, change nothing' },
  undo: { kind: 'boolean', help: 'take the lines out again' },
  root: { kind: 'text', value: 'DIR', help: 'a file system other than the running one, such as an image (/)' },
  help: { kind: 'boolean', short: 'h', help: 'this text' },
} as const satisfies FlagTable;

const HELP = `dfdaemon configure ${Object.keys(ENGINES).join('|')} tells a container engine to pull by way of dfdaemon.

${flagHelp(FLAGS)}

Without --registry: containerd asks dfdaemon for every registry, the others for docker.io. What was there before is kept
in FILE${BACKUP}.
`;

type Flags = ReturnType<typeof parseFlags<typeof FLAGS>>['values'];

/** Returns the exit code. Faults: usage, local-io, no-space. */
export async function configure(args: readonly string[]): Promise<number> {
  const { values, rest } = parseFlags(FLAGS, args);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const engine = engineOf(rest);
  const request = { address: addressOf(values.address), registries: registriesOf(values.registry) };
  const disk = new EngineFiles(values.root ?? '/');
  const files = await disk.readAll(engine);
  const plan = values.undo ? engine.undo(files, await disk.backupsOf(files), request) : engine.plan(files, request);
  show(plan, values);
  if (!values['dry-run']) for (const edit of plan.edits) await disk.apply(edit, values.undo);
  return 0;
}

function engineOf([name, ...more]: readonly string[]): Engine {
  const engine = name !== undefined && Object.hasOwn(ENGINES, name) ? ENGINES[name] : undefined;
  if (engine === undefined || more.length > 0)
    throw new Fault('usage', `dfdaemon configure wants one of ${Object.keys(ENGINES).join(', ')}`);
  return engine;
}

function addressOf(text = ADDRESS): string {
  if (!HOST_PORT.test(text)) throw new Fault('usage', `--address wants HOST:PORT, not ${JSON.stringify(text)}`);
  return text.toLowerCase();
}

function registriesOf(flags: readonly string[]): Registry[] {
  const names = flags.flatMap((text) => text.split(',')).filter((text) => text !== '');
  const registries = names.map((text) => {
    const [, scheme = 'https', host = ''] = REGISTRY.exec(text) ?? [];
    if (host === '') throw new Fault('usage', `--registry wants HOST or HOST:PORT, not ${JSON.stringify(text)}`);
    const name = host.toLowerCase();
    return { name, url: name === 'docker.io' ? HUB_URL : `${scheme.toLowerCase()}://${name}` };
  });
  return registries.filter(({ name }, index) => registries.findIndex((one) => one.name === name) === index);
}

function show({ edits, notes }: Plan, values: Flags): void {
  for (const { path, before, after } of edits) {
    const [from, to] = [before === undefined ? '/dev/null' : path, after === undefined ? '/dev/null' : path];
    const patch = createTwoFilesPatch(from, to, before ?? '', after ?? '');
    process.stdout.write(patch.replace(/^=+\n/, ''));
  }
  if (edits.length === 0)
    process.stdout.write(values.undo ? 'there is nothing to undo\n' : 'it is configured already\n');
  if (edits.length > 0 && values['dry-run']) process.stdout.write('(a dry run: nothing is changed)\n');
  for (const note of notes) process.stdout.write(`note: ${note}\n`);
}

/** The files of an engine below a root. Paths are those of the engine, without the root. */
class EngineFiles {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async readAll({ looksAt }: Engine): Promise<Files> {
    const files = new Map<string, string>();
    if (typeof looksAt !== 'function') return this.#readInto(files, looksAt);
    // The first look tells where to look next.
    await this.#readInto(files, looksAt(files));
    return this.#readInto(files, looksAt(files));
  }

  async backupsOf(files: Files): Promise<Files> {
    const backups = new Map<string, string>();
    for (const path of files.keys()) {
      const text = await this.#read(`${path}${BACKUP}`);
      if (text !== undefined) backups.set(path, text);
    }
    return backups;
  }

  /** A backup is made once, before the first change, and goes when exactly that text is there again. */
  async apply({ path, before, after }: Edit, undoing: boolean): Promise<void> {
    const file = await realPathOf(this.#at(path));
    const backup = this.#at(`${path}${BACKUP}`);
    const mode = before === undefined ? NEW_FILE_MODE : Number(((await stampAt(file))?.mode ?? 0n) & MODE_BITS);
    if (!undoing && before !== undefined && (await kindOf(backup)) === undefined)
      await saveAtomically(backup, before, mode);
    if (after === undefined) await removeFile(file);
    else {
      await makeFolder(join(file, '..'));
      await saveAtomically(file, after, mode);
    }
    if (undoing && after !== undefined && after === (await this.#read(`${path}${BACKUP}`))) await removeFile(backup);
  }

  async #readInto(files: Map<string, string>, looks: readonly Look[]): Promise<Files> {
    for (const path of (await Promise.all(looks.map((look) => this.#pathsOf(look)))).flat()) {
      const text = await this.#read(path);
      if (text !== undefined) files.set(path, text);
    }
    return files;
  }

  async #pathsOf(look: Look): Promise<string[]> {
    if (typeof look === 'string') return [look];
    const { folder, ends } = look;
    if (folder.endsWith('/*')) {
      const names = await listFolder(this.#at(folder.slice(0, -2)));
      return names.map((name) => `${folder.slice(0, -1)}${name}/${ends}`);
    }
    const names = await listFolder(this.#at(folder));
    return names.filter((name) => name.endsWith(ends)).map((name) => `${folder}/${name}`);
  }

  async #read(path: string): Promise<string | undefined> {
    // A plain file where a folder could be holds nothing that we look for.
    return (await unless('ENOTDIR', undefined, readSmall(this.#at(path))))?.toString('utf8');
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}
