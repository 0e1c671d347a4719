/** What a cache is given that has nobody to ask but hosts and sources: one supernode needs nothing else. */
import type { CacheParts } from '../cache/parts.ts';

const NOTHING = { find: async () => undefined, forget: async () => undefined };

export const ALONE: Pick<CacheParts, 'shared' | 'behind' | 'tiers'> = { shared: NOTHING, behind: NOTHING, tiers: [] };
