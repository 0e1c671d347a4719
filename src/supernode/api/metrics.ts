/** `GET /metrics` in the text format of Prometheus. All that it needs is loaded with the first scrape. */
import type { ApiRoutes } from '../../io/api-server.ts';
import { once } from '../../io/once.ts';
import type { MeterParts } from '../meter-state.ts';

export function addMetrics(app: ApiRoutes, parts: () => MeterParts): void {
  const opened = once(async () => {
    const [{ Metrics }, { METERS }, { lookAt }] = await Promise.all([
      import('../../io/metrics.ts'),
      import('../meters.ts'),
      import('../meter-state.ts'),
    ]);
    return new Metrics(METERS, () => lookAt(parts()));
  });
  app.get('/metrics', async (_request, reply) => {
    const metrics = await opened();
    return reply.type(metrics.contentType).send(await metrics.text());
  });
}
