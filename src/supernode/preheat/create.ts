/** Preheats with their doors to the rest of the supernode. */
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { once } from '../../io/once.ts';
import { Fault } from '../../protocol/faults.ts';
import type { HostFetches } from '../host-fetches.ts';
import type { Hosts } from '../hosts.ts';
import type { Swarms } from '../swarms.ts';
import { chooseHosts } from './choose-hosts.ts';
import { checkRequest, planPreheat } from './planning.ts';
import { Preheats } from './preheats.ts';

export type PreheatDoors = {
  readonly hosts: Hosts;
  readonly swarms: Swarms;
  readonly fetches: HostFetches;
  readonly clock: Clock;
  readonly random: Random;
  readonly unique: () => string;
};

export function createPreheats(doors: PreheatDoors): { readonly preheats: Preheats; close(): Promise<void> } {
  const { hosts, swarms, fetches, clock, random, unique } = doors;
  const registries = once(async () => new (await import('../../source/registry-client.ts')).RegistryClient(clock));
  const preheats = new Preheats({
    unique,
    check: checkRequest,
    plan: async (request, signal) => planPreheat(await registries(), request, signal),
    hosts: ({ scope }) => {
      if (scope === 'supernode') return new Map();
      const able = [...hosts.all].filter(({ isolated }) => isolated === undefined);
      const chosen = chooseHosts(
        able.map(({ description }) => description),
        scope,
        random,
      );
      return new Map(chosen.map((id) => [id, hosts.find(id)?.description.name ?? id]));
    },
    open: (task, spec) => swarms.open(task, spec),
    fetch: (order) => fetches.run(order),
    wall: () => clock.wall(),
  });
  const close = async (): Promise<void> => {
    preheats.close();
    await (await registries.made())?.close();
  };
  return { preheats, close };
}

/** For routes. */
export function noPreheat(id: string): Fault {
  return new Fault('not-found', `no preheat ${id}`);
}
