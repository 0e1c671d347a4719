/** `dfget cache …`: what this host's store holds, or with --node a supernode's cache; removed, verified, pinned. */
import { printDuration, printSize } from '../base/units.ts';
import { type FlagTable, flagHelp, parseFlags } from '../io/flags.ts';
import type { ContentView } from '../peer/agent-api.ts';
import { EXIT, FAULTS, Fault } from '../protocol/faults.ts';
import { AGENT_FLAGS, nodesOf } from './flags.ts';
import { homeOf } from './home.ts';
import { askJson, type Place } from './json-request.ts';
import { faultLine } from './report.ts';

const FLAGS = {
  home: AGENT_FLAGS.home,
  config: AGENT_FLAGS.config,
  node: { kind: 'list', short: 'n', value: 'HOST[:PORT]', help: "a supernode's cache instead of this host's store" },
  all: { kind: 'boolean', help: 'every content (rm and verify)' },
  json: { kind: 'boolean', help: 'answers as lines of JSON' },
  help: AGENT_FLAGS.help,
} as const satisfies FlagTable;

const ACTIONS = {
  rm: { method: 'DELETE', path: '', done: 'removed', all: true },
  verify: { method: 'POST', path: '/verify', done: 'verified', all: true },
  pin: { method: 'POST', path: '/pin', done: 'pinned', all: false },
  unpin: { method: 'POST', path: '/unpin', done: 'unpinned', all: false },
} as const;

type Action = keyof typeof ACTIONS;
type Answer = ContentView & { readonly lost?: number };

const ID_DIGITS = 12;

export async function cache(args: readonly string[]): Promise<number> {
  const { values: flags, rest } = parseFlags(FLAGS, args);
  const [command, ...names] = rest;
  if (flags.help || command === undefined) {
    process.stdout.write(help());
    return flags.help ? EXIT.ok : EXIT.usage;
  }
  const [node, second] = nodesOf(flags.node);
  if (second !== undefined) throw new Fault('usage', 'give one --node');
  const place: Place = node === undefined ? { home: await homeOf(flags) } : { node };
  if (command === 'ls') return list(place, names, flags.json);
  if (!Object.hasOwn(ACTIONS, command))
    throw new Fault(
      'usage',
      `dfget cache knows ls, ${Object.keys(ACTIONS).join(', ')}; not ${JSON.stringify(command)}`,
    );
  return act(place, command as Action, { names, all: flags.all, json: flags.json });
}

async function list(place: Place, names: readonly string[], json: boolean): Promise<number> {
  if (names.length > 0) throw new Fault('usage', 'dfget cache ls takes no names');
  const contents = [...(await contentsAt(place))].sort((a, b) => b.usedAt - a.usedAt);
  if (json) for (const content of contents) process.stdout.write(`${JSON.stringify(content)}\n`);
  else process.stdout.write(table(contents, Date.now()));
  return EXIT.ok;
}

/** All are tried; the exit code is the first failure's. */
async function act(
  place: Place,
  action: Action,
  { names, all, json }: { readonly names: readonly string[]; readonly all: boolean; readonly json: boolean },
): Promise<number> {
  const { method, path, done, all: mayAll } = ACTIONS[action];
  if (all && !mayAll) throw new Fault('usage', `dfget cache ${action} does not take --all`);
  if (all === names.length > 0)
    throw new Fault('usage', `dfget cache ${action} wants ids or URLs${mayAll ? ', or --all' : ''}`);
  const wanted = all ? (await contentsAt(place)).map(({ content }) => content) : names;
  let exit: number = EXIT.ok;
  for (const name of wanted) {
    try {
      const answer = (await askJson(place, method, `/v1/contents/${encodeURIComponent(name)}${path}`)) as Answer;
      if (json) process.stdout.write(`${JSON.stringify({ action, ...answer })}\n`);
      else process.stdout.write(`${done} ${answer.content.slice(0, ID_DIGITS)} ${answer.url}${lostNote(answer)}\n`);
    } catch (error) {
      const fault = Fault.of(error);
      process.stderr.write(`${faultLine(fault.toValue())}\n`);
      if (exit === EXIT.ok) exit = FAULTS[fault.code].exit;
    }
  }
  return exit;
}

function lostNote({ lost = 0 }: Answer): string {
  return lost === 0 ? '' : `: ${lost} pieces were spoilt and are dropped; they will be fetched again`;
}

async function contentsAt(place: Place): Promise<readonly ContentView[]> {
  return ((await askJson(place, 'GET', '/v1/contents')) as { contents: readonly ContentView[] }).contents;
}

/** `now` in milliseconds since 1970. */
export function table(contents: readonly ContentView[], now: number): string {
  const rows = contents.map((content) => [
    content.content.slice(0, ID_DIGITS),
    content.length === null ? '?' : printSize(content.length),
    share(content),
    `${printDuration(Math.max(0, now - content.usedAt))} ago`,
    content.pinned ? 'pinned' : '',
    content.url,
  ]);
  const all = [['ID', 'SIZE', 'HELD', 'USED', 'PIN', 'URL'], ...rows];
  const widths = (all[0] ?? []).map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const lines = all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  const bytes = contents.reduce((sum, { heldBytes }) => sum + heldBytes, 0);
  return `${lines.join('\n')}\n${contents.length} contents, ${printSize(bytes)}\n`;
}

function share({ complete, held, length, pieceSize }: ContentView): string {
  if (complete) return 'all';
  const pieces = length === null ? 0 : Math.max(1, Math.ceil(length / pieceSize));
  return pieces === 0 ? `${held} pieces` : `${Math.floor((100 * held) / pieces)} %`;
}

function help(): string {
  return `dfget cache looks after the contents that this host keeps.

  dfget cache ls                      what is there, the last used first
  dfget cache rm ID…|URL…|--all       remove it; files that were handed over stay
  dfget cache verify ID…|URL…|--all   hash what is there; what is spoilt is dropped
  dfget cache pin ID…|URL…            never make room with it
  dfget cache unpin ID…|URL…          allow that again

${flagHelp(FLAGS)}
`;
}
