/** Counts the scheduler's state again from its rows, and says what differs from what it keeps. */
import type { Core } from '../scheduler/core.ts';
import type { Swarm } from '../scheduler/swarm.ts';

export function auditState(state: Core): string | undefined {
  for (const swarm of state.swarms.values()) {
    const problem = auditSwarm(swarm, state);
    if (problem !== undefined) return `${swarm.content.slice(0, 8)}: ${problem}`;
  }
  for (const host of state.hosts.values()) {
    let up = 0;
    let down = 0;
    for (const lease of state.leases.ups(host)) up += lease.bytes;
    for (const lease of state.leases.downs(host)) down += lease.bytes;
    if (up !== host.upBytes || down !== host.downBytes)
      return `${host.id}: outstanding bytes ${host.upBytes} for ${up}`;
    if (!host.serves && host.ups > 0) return `${host.id}: serves nobody and has uploads`;
    if (host.silent && host.ups + host.downs > 0) return `${host.id}: silent, and has transfers`;
    if (host.ready || host.hungry) return `${host.id}: left in the queue`;
  }
  if (!state.ready.empty) return 'the queue was not emptied';
  return undefined;
}

function auditSwarm(swarm: Swarm, { limits, leases }: Core): string | undefined {
  const copies = new Array<number>(swarm.pieces).fill(0);
  const holders = new Array<number>(swarm.pieces).fill(0);
  const inGroups = new Map<number, number[]>();
  let wanting = 0;
  let needy = 0;
  for (const peer of swarm.peers()) {
    const host = swarm.hosts[peer];
    if (host === undefined) return `peer ${peer} has no host`;
    const serves = host.servesIn(swarm.content);
    if (swarm.serves(peer) !== serves) return `${host.id}: serving is ${swarm.serves(peer)}`;
    const group = inGroups.get(host.idc) ?? new Array<number>(swarm.pieces).fill(0);
    inGroups.set(host.idc, group);
    let held = 0;
    let taken = 0;
    for (const piece of swarm.rows.bits(peer, 'taken')) {
      taken++;
      const holds = swarm.rows.held(peer, piece);
      if (holds) held++;
      if (!holds && !leases.downs(host).some((lease) => lease.swarm === swarm && lease.piece === piece)) {
        return `${host.id}: ${piece} is taken without a lease`;
      }
      if (!serves) continue;
      if (!host.seed) copies[piece] = (copies[piece] ?? 0) + 1;
      if (holds) holders[piece] = (holders[piece] ?? 0) + 1;
      if (!host.seed) group[piece] = (group[piece] ?? 0) + 1;
    }
    if (held !== swarm.heldCount(peer) || taken !== swarm.takenCount(peer))
      return `${host.id}: ${held} of ${taken} pieces`;
    const untaken = needOf(swarm, peer, (piece) => swarm.rows.taken(peer, piece));
    if (needOf(swarm, peer, (piece) => swarm.rows.held(peer, piece)) || (swarm.wants(peer) === 'all' && !swarm.final)) {
      wanting++;
    }
    if (untaken && host.hasDownRoom(swarm.pieceSize, limits)) needy++;
  }
  if (wanting !== swarm.wanting) return `${swarm.wanting} wanting, counted ${wanting}`;
  if (needy !== swarm.needy) return `${swarm.needy} needy, counted ${needy}`;
  if (swarm.active !== wanting > 0) return `active is ${swarm.active}`;
  return auditCounts(swarm, copies, holders, inGroups);
}

/** Whether it wants a piece that it does not `have`. */
function needOf(swarm: Swarm, peer: number, have: (piece: number) => boolean): boolean {
  const wants = swarm.wants(peer);
  const window = swarm.windows.of(peer);
  for (let piece = 0; piece < swarm.pieces; piece++) {
    const inside = window !== undefined && piece >= window.from && piece < window.from + window.count;
    if ((wants === 'all' || (wants === 'window' && inside)) && !have(piece)) return true;
  }
  return false;
}

function auditCounts(
  swarm: Swarm,
  copies: readonly number[],
  holders: readonly number[],
  inGroups: ReadonlyMap<number, number[]>,
): string | undefined {
  let last = 0;
  for (let i = 0; i < swarm.pieces; i++) {
    const here = swarm.copies.rarity.copies(swarm.copies.rarity.order[i] ?? -1);
    if (here < last) return 'the rarity order is not sorted';
    last = here;
    if (swarm.copies.rarity.copies(i) !== copies[i])
      return `piece ${i}: ${swarm.copies.rarity.copies(i)} copies, counted ${copies[i]}`;
    if (swarm.copies.holders(i) !== holders[i])
      return `piece ${i}: ${swarm.copies.holders(i)} holders, counted ${holders[i]}`;
    for (const [idc, group] of inGroups) {
      if (swarm.groups.get(idc)?.copies(i) !== group[i]) return `piece ${i}: wrong count in IDC ${idc}`;
    }
  }
  return undefined;
}
