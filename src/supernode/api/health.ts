/** Is it alive, may it be used, and what is it? */
import type { ApiRoutes } from '../../io/api-server.ts';
import { Fault } from '../../protocol/faults.ts';

export type HealthParts = {
  readonly version: string;
  readonly ready: () => boolean;
  /** How Redis is, where this supernode has one; it serves all the same when that is away. */
  readonly cluster: () => object | undefined;
};

export function addHealth(app: ApiRoutes, { version, ready, cluster }: HealthParts): void {
  app.get('/_ping', async (_request, reply) => reply.type('text/plain').send('OK'));
  app.get('/healthz', async () => {
    const redis = cluster();
    return { status: 'ok', ...(redis === undefined ? {} : { redis }) };
  });
  app.get('/readyz', async () => {
    if (!ready()) throw new Fault('supernode-refused', 'the supernode is starting, draining or stopping');
    return { status: 'ready' };
  });
  app.get('/version', async () => ({ version, node: process.version }));
}
