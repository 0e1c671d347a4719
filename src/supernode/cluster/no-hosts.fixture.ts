/** For a cache without hosts. */
import { Fault } from '../../protocol/faults.ts';
import type { CacheParts } from '../cache/parts.ts';

export const NO_HOSTS: CacheParts['hosts'] = {
  tier: {
    name: 'hosts',
    readBytes: 0,
    lanes: 1,
    read: async () => {
      throw new Fault('peer-lacks', 'there are no hosts');
    },
  },
  hold: () => false,
  graceMs: 0,
};
