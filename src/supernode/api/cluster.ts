/** The supernodes of this one's cluster, and how Redis is. */
import type { ApiRoutes } from '../../io/api-server.ts';
import type { ClusterView, RedisView } from '../../protocol/api-views.ts';
import type { Member } from '../../protocol/member.ts';
import type { Membership } from '../cluster/membership.ts';

/** `alone` says what there is to say of a supernode without a cluster. */
export type ClusterParts = {
  readonly membership: () => Membership | undefined;
  readonly alone: () => Member;
  /** Where Redis is, without credentials. */
  readonly redis: string | undefined;
};

export function addCluster(app: ApiRoutes, { membership: current, alone, redis }: ClusterParts): void {
  app.get('/v1/cluster', async (): Promise<ClusterView> => {
    const membership = current();
    if (membership === undefined) {
      const self = alone();
      return { self, members: [self], fresh: true, redis: { state: 'none' } };
    }
    const { self, message } = membership;
    const { id, place, weight, state } = self;
    return {
      self: { id, place, weight, state },
      members: message.members,
      fresh: message.fresh,
      redis: { ...(redis === undefined ? {} : { place: redis }), ...shownHealth(membership) },
    };
  });
}

export function shownHealth({ redis }: Membership): Exclude<RedisView, { state: 'none' }> {
  const { up, since, why } = redis;
  return {
    state: up ? 'up' : 'down',
    since: new Date(since).toISOString(),
    ...(why === undefined ? {} : { why }),
  };
}
