/**
 * A request that goes to its target as it is, and the answer that comes back as it is: method, header lines, bodies of
 * any length, trailers, 100-continue. Invariant: an answer whose body ends early at the target ends early at the client,
 * by the connection's end and never as if it were whole.
 */
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { TLSSocket } from 'node:tls';

import { BODY_STALL_MS, endWhenStalled, HEAD_TIMEOUT_MS } from './answer-limits.ts';
import type { Exchange } from './exchange.ts';
import { endToEnd, headerOf, pairs, without } from './headers.ts';
import { authorized, type OwnCredentials } from './registry/own-credentials.ts';
import { type UpstreamClient, upstreamFault } from './upstream-client.ts';

export type Passing = { readonly client: UpstreamClient; readonly own: OwnCredentials };

/** Sees the answer before it is relayed: to learn from it. */
export type Watch = (answer: IncomingMessage) => void;

/** Clients of HTTP/1.0 know no chunks, and nothing after them. */
const TRAILER = new Set(['trailer']);

/** Resolves when the answer is out, whole or cut. Faults, when no byte of it is out: source-unreachable, usage, cancelled. */
export async function passThrough(exchange: Exchange, passing: Passing, watch?: Watch): Promise<void> {
  const { response } = exchange;
  const answer = hasBody(exchange.request)
    ? await sendWithBody(exchange, passing)
    : await passing.own.send({ ...requestOf(exchange), policy: exchange.policy });
  watch?.(answer);
  await relay(answer, response, exchange);
}

export function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

function requestOf(exchange: Exchange) {
  const { url, headers, trust, origin, signal, request } = exchange;
  const method = request.method ?? 'GET';
  const reading = method === 'GET' || method === 'HEAD';
  return { url, headers, trust, origin, signal, method, ...(reading ? { headTimeoutMs: HEAD_TIMEOUT_MS } : {}) };
}

async function sendWithBody(exchange: Exchange, { client, own }: Passing): Promise<IncomingMessage> {
  const { request, response, policy } = exchange;
  const base = { ...requestOf(exchange), policy };
  const authorization = await own.authorization(base);
  const sent = client.start(authorization === undefined ? base : authorized(base, authorization));
  return await new Promise((resolve, reject) => {
    sent.once('response', resolve);
    sent.on('error', (error) => reject(upstreamFault(error, base)));
    sent.once('continue', () => response.writeContinue());
    pour(request, sent);
  });
}

function pour(request: IncomingMessage, sent: ClientRequest): void {
  // A body that is on its way counts as sent only when the client's request has come to its end.
  sent.flushHeaders();
  request.on('data', (part: Buffer) => {
    if (!sent.write(part)) request.pause();
  });
  sent.on('drain', () => request.resume());
  request.once('end', () => {
    if (request.rawTrailers.length > 0) sent.addTrailers([...pairs(request.rawTrailers)]);
    sent.end();
  });
  request.once('error', (error) => sent.destroy(error));
}

export async function relay(answer: IncomingMessage, response: ServerResponse, exchange: Exchange): Promise<void> {
  answer.on('error', () => undefined); // Its end says it, too.
  response.sendDate = headerOf(answer.rawHeaders, 'date') === undefined;
  const chunks = response.req.httpVersion !== '1.0';
  const lines = chunks ? answerLines(answer, exchange) : without(answerLines(answer, exchange), TRAILER);
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', lines);
  endWhenStalled(answer, BODY_STALL_MS);
  await new Promise<void>((resolve) => {
    response.once('close', () => {
      if (!answer.complete) answer.destroy();
      resolve();
    });
    answer.on('data', (part: Buffer) => {
      if (!response.write(part)) answer.pause();
    });
    response.on('drain', () => answer.resume());
    answer.once('close', () => {
      if (!answer.complete) cut(response);
    });
    answer.once('end', () => {
      if (!answer.complete) return;
      if (chunks && answer.rawTrailers.length > 0) response.addTrailers([...pairs(answer.rawTrailers)]);
      response.end();
    });
  });
}

/** They pull again by themselves after RST and give up after FIN; the others resume after FIN, and after RST most give up. */
const TAKE_RST = /^(?:containers|libpod|buildah|skopeo|cri-o)\//i;

/** Ends the connection before its answer is complete, in the way after which its client goes on by itself. */
export function cut(response: ServerResponse): void {
  const { socket, req } = response;
  if (socket === null || socket.destroyed) return;
  // Only a bare connection can be reset.
  if (TAKE_RST.test(req.headers['user-agent'] ?? '') && !(socket instanceof TLSSocket)) socket.resetAndDestroy();
  else socket.destroySoon();
}

/** A client must come back the way it came where the target names a place of its own. */
function answerLines({ rawHeaders }: IncomingMessage, { mirror, seenAs, url }: Exchange): string[] {
  const lines = endToEnd(rawHeaders);
  if (mirror === undefined && seenAs === undefined) return lines;
  return lines.map((line, at) => {
    if (at % 2 === 0 || lines[at - 1]?.toLowerCase() !== 'location') return line;
    const place = URL.parse(line, url);
    if (place === null || place.origin !== url.origin) return line;
    if (seenAs !== undefined) return `${seenAs}${place.pathname}${place.search}`;
    if (mirror === undefined || !place.pathname.startsWith('/v2/')) return line;
    const inner = mirror.inner === '' ? '' : `/${mirror.inner}`;
    return `${mirror.prefix}/v2${inner}${place.pathname.slice(3)}${place.search}`;
  });
}
