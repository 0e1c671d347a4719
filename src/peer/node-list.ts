/**
 * The supernodes that a user names: `host[:port][=weight]`, an IPv6 address with a port in brackets; and the order in
 * which a task asks them. Weighted rendezvous hashing (score −weight / ln(hash)): every host comes to the same order
 * without a word to the others, and a member that joins or leaves moves only the tasks that it gains or had.
 */
import { sha256 } from '../io/hash.ts';
import { Fault } from '../protocol/faults.ts';
import type { TaskId } from '../protocol/ids.ts';
import { MAX_WEIGHT, type Member, placeText } from '../protocol/member.ts';

export const SUPERNODE_PORT = 8002;
/** Nodes in one list. */
const MAX_NODES = 64;

export type Node = { readonly host: string; readonly port: number; readonly weight: number };

/** Throws Fault usage. */
export function parseNode(text: string): Node {
  const wrong = (what: string) => new Fault('usage', `supernode ${JSON.stringify(text)}: ${what}`);
  const [place = '', weightText, ...more] = text.trim().split('=');
  if (more.length > 0) throw wrong('more than one weight');
  const weight = weightText === undefined ? 1 : Number(weightText);
  if (!(weight > 0 && weight <= MAX_WEIGHT)) throw wrong(`the weight must be above 0 and at most ${MAX_WEIGHT}`);
  const { host, portText } = splitPlace(place);
  if (!/^[0-9A-Za-z._:%-]+$/.test(host)) throw wrong('must be host[:port][=weight]');
  const port = portText === undefined ? SUPERNODE_PORT : Number(portText);
  if (!(Number.isInteger(port) && port >= 1 && port <= 65535)) throw wrong('the port must be 1 to 65535');
  return { host, port, weight };
}

/** Each place once, in the given order. Throws Fault usage. */
export function parseNodes(texts: readonly string[]): readonly Node[] {
  const nodes = new Map<string, Node>();
  for (const text of texts) {
    const node = parseNode(text);
    if (!nodes.has(placeOf(node))) nodes.set(placeOf(node), node);
  }
  if (nodes.size > MAX_NODES) throw new Fault('usage', `more than ${MAX_NODES} supernodes`);
  return [...nodes.values()];
}

/** `host:port`, with brackets around an IPv6 address. */
export function placeOf(node: Node): string {
  return placeText(node.host, node.port);
}

/** As the cluster itself names it. */
export function nodeOf({ place, weight }: Member): Node {
  const { host, portText } = splitPlace(place);
  return { host, port: Number(portText ?? SUPERNODE_PORT), weight };
}

/** The nodes with the one that the task belongs to first. */
export function orderFor(task: TaskId, nodes: readonly Node[]): readonly Node[] {
  if (nodes.length < 2) return nodes;
  const scored = nodes.map((node) => ({ node, score: -node.weight / Math.log(unitOf(`${task} ${placeOf(node)}`)) }));
  return scored.sort((a, b) => b.score - a.score).map(({ node }) => node);
}

function splitPlace(place: string): { host: string; portText: string | undefined } {
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(place);
  if (bracketed !== null) return { host: bracketed[1] ?? '', portText: bracketed[2] };
  const colon = place.indexOf(':');
  // More than one colon without brackets can only be an IPv6 address alone.
  if (colon < 0 || place.indexOf(':', colon + 1) >= 0) return { host: place, portText: undefined };
  return { host: place.slice(0, colon), portText: place.slice(colon + 1) };
}

/** Above 0 and below 1, from the first 48 bits of the sha256. */
function unitOf(text: string): number {
  return (sha256(Buffer.from(text)).readUIntBE(0, 6) + 0.5) / 2 ** 48;
}
