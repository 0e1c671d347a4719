/** One question to an agent (its socket) or a supernode (its port), with one JSON answer. A refusal is a Fault. */
import { createConnection, type Socket } from 'node:net';
import { Fault, type FaultValue, isFaultCode } from '../protocol/faults.ts';
import { connectAgent, requestAgent, socketPathOf } from './agent-request.ts';

export type Place = { readonly home: string } | { readonly node: string };

const DEFAULT_PORT = 8002;
const CONNECT_TIMEOUT_MS = 5_000;
const NODE = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?(?:=\d+)?$/;

/** Faults: agent-unreachable, supernode-unreachable, and what the answer says. */
export async function askJson(place: Place, method: string, path: string, body?: unknown): Promise<unknown> {
  const socket = 'home' in place ? await agentAt(place.home) : await connectNode(place.node);
  const { status, lines } = await requestAgent(socket, method, path, body);
  let text = '';
  for await (const line of lines) text += line;
  const value = parsed(text);
  if (status >= 200 && status < 300) return value;
  const fault = (typeof value === 'object' && value !== null ? value : {}) as Partial<FaultValue>;
  if (isFaultCode(fault.code)) throw Fault.fromValue({ ...fault, code: fault.code, message: fault.message ?? '' });
  throw new Fault('bad-message', `${shown(place)} answered ${status}: ${text.slice(0, 200)}`);
}

function parsed(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text);
  } catch {
    return undefined; // The status is all there is then.
  }
}

async function agentAt(home: string): Promise<Socket> {
  const socket = await connectAgent(socketPathOf(home));
  if (socket === undefined) throw new Fault('agent-unreachable', `no agent runs in ${home}; dfget server starts it`);
  return socket;
}

function connectNode(node: string): Promise<Socket> {
  const match = NODE.exec(node);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  return new Promise((done, fail) => {
    const socket = createConnection({ host, port, timeout: CONNECT_TIMEOUT_MS });
    const refuse = (why: string) => fail(new Fault('supernode-unreachable', `supernode ${host}:${port}: ${why}`));
    socket.once('connect', () => {
      socket.setTimeout(0);
      done(socket);
    });
    socket.once('timeout', () => {
      socket.destroy();
      refuse('no answer');
    });
    socket.once('error', (error) => refuse(error.message));
  });
}

function shown(place: Place): string {
  return 'home' in place ? `the agent in ${place.home}` : `supernode ${place.node}`;
}
