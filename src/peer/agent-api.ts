/**
 * The agent's API on its unix socket: downloads as a stream of events, status, limits, stop. It shows no secret: URLs
 * without their query, no header.
 */
import type { Clock } from '../base/clock.ts';
import { ApiServer } from '../io/api-server.ts';
import type { Log } from '../io/log.ts';
import { addContents } from '../store/contents-api.ts';
import type { AgentEngine } from './agent.ts';
import { parseBatchRequest, parseDownloadRequest, parseLimits, type RequestDefaults } from './agent-request.ts';
import { tellBatch, tellOne } from './telling.ts';

export type { ContentView } from '../store/contents-api.ts';

export type AgentApiOptions = {
  readonly engine: AgentEngine;
  readonly clock: Clock;
  readonly log: Log;
  readonly home: string;
  readonly version: string;
  readonly defaults: RequestDefaults;
  /** POST /v1/stop was asked. */
  readonly onStop: () => void;
};

const NDJSON = { 'Content-Type': 'application/x-ndjson', 'Cache-Control': 'no-store' };

export function agentApi(options: AgentApiOptions): ApiServer {
  const { engine, clock, log, defaults } = options;
  const api = new ApiServer({ log });
  const startedAt = clock.now();
  api.app.post('/v1/downloads', (request, reply) => {
    const asked = parseDownloadRequest(request.body, defaults);
    const download = engine.open(asked);
    reply.hijack();
    reply.raw.writeHead(200, NDJSON);
    // The asker who hangs up is done with it.
    reply.raw.on('close', () => download.release());
    reply.raw.on('error', () => download.release());
    void tellOne(asked, download, reply.raw, clock);
  });
  api.app.post('/v1/batches', (request, reply) => {
    const requests = parseBatchRequest(request.body, defaults);
    const hungUp = new AbortController();
    reply.hijack();
    reply.raw.writeHead(200, NDJSON);
    reply.raw.on('close', () => hungUp.abort());
    reply.raw.on('error', () => hungUp.abort());
    void tellBatch({ engine, requests, clock, signal: hungUp.signal }, reply.raw);
  });
  api.app.get('/v1/status', async () => ({
    version: options.version,
    pid: process.pid,
    home: options.home,
    upMillis: Math.round(clock.now() - startedAt),
    piecePort: engine.port,
    supernodes: engine.supernodes,
    downloads: engine.busy,
    contents: engine.store.list().length,
    bytesServed: engine.bytesServed,
    limits: shownLimits(engine),
  }));
  addContents(api.app, { store: engine.store, remove: ({ id }) => engine.remove(id) });
  api.app.patch('/v1/limits', async (request) => {
    engine.limits = parseLimits(request.body, engine.limits);
    return shownLimits(engine);
  });
  api.app.post('/v1/stop', (_, reply) => {
    reply.raw.once('finish', options.onStop);
    void reply.send({ stopping: true, pid: process.pid });
  });
  return api;
}

function shownLimits(engine: AgentEngine): { readonly down: number | null; readonly up: number | null } {
  const { down, up } = engine.limits;
  return { down: down ?? null, up: up ?? null };
}
