/**
 * One request to the agent over its unix socket. Spoken as HTTP/1.0 on a bare socket: the answer then ends with the
 * connection and needs no framing, and the command is spared node:http, which takes longer to load than all the rest of
 * dfget (25 of 50 ms on Node 26).
 */
import type { Socket } from 'node:net';
import { Fault, type FaultValue, isFaultCode } from '../protocol/faults.ts';

const { createConnection } = process.getBuiltinModule('node:net');
const { join } = process.getBuiltinModule('node:path');

const NOBODY_THERE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ECONNREFUSED']);
const MAX_HEAD_BYTES = 16 * 1024;
const MAX_LINE_BYTES = 1024 * 1024;

/** Linux has 108 bytes for the path of a unix socket, the final zero included. */
const MAX_SOCKET_PATH_BYTES = 107;

export type AgentAnswer = { readonly status: number; readonly lines: AsyncIterable<string> };

/** Fault usage when the system could not bind the path. */
export function socketPathOf(home: string): string {
  const path = join(home, 'agent.sock');
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
    throw new Fault('usage', `--home ${home} is too long: a socket path may have ${MAX_SOCKET_PATH_BYTES} bytes`);
  return path;
}

/** Resolves when the socket is connected; undefined when nobody listens there. Other errors are Faults. */
export function connectAgent(socketPath: string): Promise<Socket | undefined> {
  return new Promise((done, fail) => {
    const socket = createConnection(socketPath);
    socket.once('connect', () => done(socket));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (NOBODY_THERE.has(error.code ?? '')) done(undefined);
      else fail(new Fault('agent-unreachable', `${socketPath}: ${error.message}`, { cause: error }));
    });
  });
}

/** Sends one request on a fresh connection. The lines of the answer's body come as they arrive; leaving early hangs up. */
export async function requestAgent(socket: Socket, method: string, path: string, body?: unknown): Promise<AgentAnswer> {
  const text = body === undefined ? '' : JSON.stringify(body);
  const type = text === '' ? '' : 'Content-Type: application/json\r\n';
  socket.write(
    `${method} ${path} HTTP/1.0\r\nHost: agent\r\n${type}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
  socket.setEncoding('utf8');
  const lines = linesOf(socket);
  let status: number | undefined;
  for (let headBytes = 0; ; ) {
    const { value, done } = await lines.next();
    headBytes += value?.length ?? 0;
    if (done || headBytes > MAX_HEAD_BYTES) throw new Fault('agent-unreachable', 'the agent hung up without an answer');
    status ??= parseStatus(value);
    if (value === '') return { status, lines };
  }
}

/** An answer other than 200 has one fault as its body. */
export async function refusalOf(status: number, lines: AsyncIterable<string>): Promise<Fault> {
  let text = '';
  for await (const line of lines) text += line;
  let value: { fault?: FaultValue } & Partial<FaultValue> = {};
  try {
    value = JSON.parse(text) as typeof value;
  } catch {
    // not JSON: then the status is all there is
  }
  const fault = value.fault ?? value;
  if (isFaultCode(fault.code)) return Fault.fromValue({ ...fault, code: fault.code, message: fault.message ?? '' });
  return new Fault('agent-unreachable', `the agent answered ${status}: ${text.slice(0, 200)}`);
}

function parseStatus(line: string): number {
  const match = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(line);
  if (match === null) throw new Fault('agent-unreachable', 'what answers on the agent socket does not speak HTTP');
  return Number(match[1]);
}

async function* linesOf(socket: Socket): AsyncGenerator<string, undefined> {
  let rest = '';
  try {
    for await (const text of socket as AsyncIterable<string>) {
      rest += text;
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      if (rest.length > MAX_LINE_BYTES) throw new Fault('bad-message', 'a line of the agent’s answer is too long');
      for (const line of lines) yield line.endsWith('\r') ? line.slice(0, -1) : line;
    }
  } catch (error) {
    throw Fault.of(error, 'agent-unreachable');
  } finally {
    socket.destroy();
  }
  if (rest !== '') yield rest;
  return undefined;
}
