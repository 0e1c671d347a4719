/**
 * CONNECT: bytes are carried both ways unseen, unless the host is one that shall be intercepted; then the client is shown
 * a certificate of our authority and speaks HTTP/1.1 with us.
 */
import type { IncomingMessage } from 'node:http';
import { connect, isIP, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type SecureContext, TLSSocket } from 'node:tls';
import type { Log } from '../io/log.ts';
import { Fault } from '../protocol/faults.ts';
import type { Trust } from './registry/upstreams.ts';
import type { Tally } from './tally.ts';
import type { Origin, Targets } from './targets.ts';

export type HijackedHost = { readonly pattern: RegExp; readonly trust: Trust };

export type TunnelOptions = {
  readonly targets: Targets;
  readonly log: Log;
  readonly tally: Tally;
  /** On `host:port`; the first that fits. */
  readonly hijacked: readonly HijackedHost[];
  /** By server name; undefined = nothing is intercepted. */
  readonly contextFor?: (serverName: string) => Promise<SecureContext>;
};

export type Intercepted = (secure: TLSSocket, target: { readonly base: URL; readonly trust: Trust }) => void;

const CONNECT_TIMEOUT_MS = 10_000;
const HANDSHAKE_TIMEOUT_MS = 10_000;
const AUTHORITY = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):(\d{1,5})$/;
const ESTABLISHED = 'HTTP/1.1 200 Connection Established\r\n\r\n';

export class Tunnels {
  readonly #options: TunnelOptions;
  readonly #open = new Set<Duplex>();

  constructor(options: TunnelOptions) {
    this.#options = options;
  }

  open(request: IncomingMessage, socket: Duplex, head: Buffer, origin: Origin, intercepted: Intercepted): void {
    const { targets, hijacked, contextFor, tally, log } = this.#options;
    const [, bracketed = '', digits = ''] = AUTHORITY.exec(request.url ?? '') ?? [];
    const host = bracketed.replace(/^\[(.*)\]$/, '$1');
    const port = Number(digits);
    try {
      if (host === '' || port < 1 || port > 65_535) throw new Fault('usage', 'CONNECT wants host:port');
      targets.checkName(host, port);
      if (isIP(host) !== 0) targets.checkAddress(host, port, origin);
    } catch (error) {
      refuse(socket, 403, Fault.of(error));
      return;
    }
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    const hit = contextFor === undefined ? undefined : hijacked.find(({ pattern }) => pattern.test(`${host}:${port}`));
    if (hit === undefined || contextFor === undefined) {
      tally.tunnels++;
      this.#carry(socket, head, { host, port, origin });
      return;
    }
    tally.intercepted++;
    const base = new URL(`https://${bracketed}:${port}`);
    this.#intercept(socket, head, { host, contextFor }).then(
      (secure) => intercepted(secure, { base, trust: hit.trust }),
      (error: unknown) => {
        log.debug({ error: Fault.of(error, 'source-refused'), host }, 'an intercepted handshake failed');
        socket.destroy();
      },
    );
  }

  close(): void {
    for (const socket of this.#open) socket.destroy();
  }

  #carry(client: Duplex, head: Buffer, to: { host: string; port: number; origin: Origin }): void {
    const { targets } = this.#options;
    const target = connect({
      host: to.host,
      port: to.port,
      noDelay: true,
      lookup: targets.lookupFor(to.port, to.origin),
    });
    const timer = setTimeout(() => target.destroy(new Error('it cannot be connected to in time')), CONNECT_TIMEOUT_MS);
    let connected = false;
    target.once('connect', () => {
      connected = true;
      clearTimeout(timer);
      client.write(ESTABLISHED);
      if (head.length > 0) target.write(head);
      client.pipe(target);
      target.pipe(client);
    });
    target.on('error', (error) => {
      clearTimeout(timer);
      if (connected) client.destroy();
      else if (error instanceof Fault) refuse(client, 403, error);
      else refuse(client, 502, new Fault('source-unreachable', `cannot reach ${to.host}:${to.port}: ${error.message}`));
    });
    client.once('close', () => target.destroy());
    target.once('close', () => {
      if (connected && !client.writableEnded) client.end();
    });
  }

  /** Resolves when the handshake is done. */
  async #intercept(
    client: Duplex,
    head: Buffer,
    { host, contextFor }: { host: string; contextFor: (serverName: string) => Promise<SecureContext> },
  ): Promise<TLSSocket> {
    // For clients that name no server in their hello.
    const secureContext = await contextFor(host);
    client.write(ESTABLISHED);
    if (head.length > 0) client.unshift(head);
    const secure = new TLSSocket(client as Socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ['http/1.1'],
      SNICallback: (name, done) => {
        contextFor(name === '' ? host : name).then(
          (context) => done(null, context),
          (error: unknown) => done(error as Error),
        );
      },
    });
    const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
    const timer = setTimeout(() => secure.destroy(new Error('the handshake takes too long')), HANDSHAKE_TIMEOUT_MS);
    secure.once('secure', () => resolve(secure));
    secure.on('error', (error) => {
      secure.destroy();
      reject(error);
    });
    secure.once('close', () => reject(new Error('the client went away')));
    return await promise.finally(() => clearTimeout(timer));
  }
}

function refuse(socket: Duplex, status: 403 | 502, { message }: Fault): void {
  const body = `dfdaemon: ${message}\n`;
  const reason = status === 403 ? 'Forbidden' : 'Bad Gateway';
  const head = `HTTP/1.1 ${status} ${reason}\r\nContent-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n`;
  socket.end(head + body);
}
