/**
 * The best makespan that is possible. Equal hosts: (M + floor(log2 N)) / M * F/u (Mundinger, Weber, Weiss 2008); else the
 * fluid bound max(F/u_seed, F/d_min, N F / (u_seed + sum u_i)) (Kumar, Ross 2006). Milliseconds. Several contents at once count
 * as one that is as long as all of them.
 */
import type { SimHost } from './sim-host.ts';

export function boundMs(seed: SimHost, hosts: readonly SimHost[], pieces: number, bytes: number): number {
  let up = 0;
  let slowest = Number.POSITIVE_INFINITY;
  let equal = true;
  for (const host of hosts) {
    up += host.up.capacity;
    slowest = Math.min(slowest, host.down.capacity);
    equal &&= host.up.capacity === seed.up.capacity && host.down.capacity === seed.up.capacity;
  }
  const fluid = Math.max(bytes / seed.up.capacity, bytes / slowest, (hosts.length * bytes) / (seed.up.capacity + up));
  if (!equal) return fluid;
  return ((pieces + Math.floor(Math.log2(hosts.length))) / pieces) * (bytes / seed.up.capacity);
}
