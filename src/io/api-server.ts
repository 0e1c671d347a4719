/**
 * The HTTP API of the supernode (TCP) and of the agent (unix socket), on fastify. Routes return values; a Fault becomes its status and a
 * JSON body with what to do; every answer leaves one line in the log at debug. What changes something is not taken from pages of other
 * sites. The piece server is not here: bytes and decisions never share a server.
 */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import type { Server } from 'node:http';
import { createConnection } from 'node:net';
import { type FastifyInstance, fastify } from 'fastify';
import { Fault } from '../protocol/faults.ts';
import { buildLazySerializer, buildLazyValidator } from './lazy-schemas.ts';
import { closeServer, listenOn } from './listen.ts';
import type { Log } from './log.ts';
import { fromOtherSite } from './other-site.ts';

/** Where routes are added; the one name by which others know fastify. */
export type ApiRoutes = FastifyInstance;

export type ApiServerOptions = {
  readonly log: Log;
  /** Largest request body. Bytes. */
  readonly bodyLimitBytes?: number;
};

const BODY_LIMIT_BYTES = 4 * 1024 * 1024;
const HEADER_TIMEOUT_MS = 10_000;
/** An answer whose reader takes it has come to its end by then. */
const CLOSE_PATIENCE_MS = 1_000;
const CLIENT_ERROR = 400;
/** A page may ask for these; what they answer it cannot read. */
const READING = new Set(['GET', 'HEAD', 'OPTIONS']);
/** What every kernel takes, with the byte that ends it. */
const MAX_SOCKET_PATH_BYTES = 103;

export class ApiServer {
  /** Routes are added here before `listen`. */
  readonly app: ApiRoutes;
  #ended: Promise<void> | undefined;

  constructor({ log, bodyLimitBytes }: ApiServerOptions) {
    this.app = fastify({
      bodyLimit: bodyLimitBytes ?? BODY_LIMIT_BYTES,
      logger: false,
      http: { headersTimeout: HEADER_TIMEOUT_MS },
      schemaController: {
        compilersFactory: { buildValidator: buildLazyValidator, buildSerializer: buildLazySerializer },
      },
    });
    // A page of any site can send plain text and forms without being asked whether it may.
    this.app.removeContentTypeParser('text/plain');
    this.app.addHook('onRequest', async ({ method, headers }) => {
      if (READING.has(method) || !fromOtherSite(headers)) return;
      throw new Fault('cross-site', 'a page of another site may not change anything here');
    });
    this.app.setErrorHandler((error, request, reply) => {
      const fault = faultOf(error);
      if (fault.code === 'internal') log.error({ error, path: request.routeOptions.url }, 'a request failed');
      return reply.code(fault.entry.status).send(faultBody(fault));
    });
    this.app.setNotFoundHandler((request, reply) =>
      reply
        .code(404)
        .send(faultBody(new Fault('not-found', `there is nothing at ${request.method} ${request.url.split('?')[0]}`))),
    );
    this.app.addHook('onResponse', async (request, reply) => {
      const path = request.url.split('?')[0];
      log.debug({ method: request.method, path, status: reply.statusCode, millis: reply.elapsedTime }, 'answered');
    });
  }

  /** For acceptSessions. */
  get server(): Server {
    return this.app.server;
  }

  /** Resolves with the port. Faults: port-in-use, usage. */
  async listen(host: string, port: number): Promise<number> {
    await this.app.ready();
    return listenOn(this.app.server, { host, port });
  }

  /** A unix socket that only this user can open. A dead one that was left behind is replaced. Fault port-in-use when somebody answers there. */
  async listenOnSocket(path: string): Promise<void> {
    if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES)
      throw new Fault('usage', `the path of the socket is too long: ${path}; choose a shorter --home`);
    await removeDeadSocket(path);
    await this.app.ready();
    // A socket is made at once, within the call: no file of anybody else is made under this mask.
    const mask = process.umask(0o177);
    const listening = listenOn(this.app.server, { path });
    process.umask(mask);
    await listening;
    chmodSync(path, 0o600);
  }

  /** Nobody can connect any more, and the path of its socket is gone; what is being answered goes on. */
  stopListening(): void {
    this.#ended ??= closeServer(this.app.server);
  }

  /** Open event streams and sessions do not keep it from closing for long. */
  async close(): Promise<void> {
    this.stopListening();
    const { server } = this.app;
    const impatience = setTimeout(() => server.closeAllConnections(), CLOSE_PATIENCE_MS);
    await this.#ended;
    clearTimeout(impatience);
    await this.app.close();
  }
}

function faultOf(error: unknown): Fault {
  if (error instanceof Fault) return error;
  const status = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500;
  if (status >= CLIENT_ERROR && status < 500) return new Fault('usage', (error as Error).message, { cause: error });
  return new Fault('internal', 'an internal error; the log has more', { cause: error });
}

function faultBody(fault: Fault): object {
  return { ...fault.toValue(), advice: fault.entry.advice };
}

/** Fault port-in-use when a living server answers on the path. */
async function removeDeadSocket(path: string): Promise<void> {
  if (!isSocket(path)) return;
  const alive = await new Promise<boolean>((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (alive) throw new Fault('port-in-use', `a server already answers on ${path}`);
  rmSync(path, { force: true });
}

function isSocket(path: string): boolean {
  try {
    return lstatSync(path).isSocket();
  } catch {
    return false; // Nothing there: the usual case.
  }
}
