/** Counts the scheduler's state again from its rows, and says what differs from what it keeps. */
import type { Core } from '../scheduler/core.ts';
import { HUNGRY, READY } from '../scheduler/host-rows.ts';
import type { Host } from '../scheduler/host-table.ts';
import { downLine, upLine } from '../scheduler/lines.ts';
import type { Swarm } from '../scheduler/swarm.ts';

export function auditState(state: Core): string | undefined {
  for (const swarm of state.swarms.values()) {
    const problem = auditSwarm(swarm, state);
    if (problem !== undefined) return `${swarm.content.slice(0, 8)}: ${problem}`;
  }
  for (const host of state.hosts.values()) {
    const problem = auditHost(host, state);
    if (problem !== undefined) return `${host.id}: ${problem}`;
  }
  const active = [...state.swarms.values()].filter((swarm) => swarm.active);
  if (active.length !== state.swarms.active.size || !active.every((swarm) => state.swarms.active.has(swarm)))
    return `${state.swarms.active.size} swarms are looked at, ${active.length} want something`;
  if (!state.ready.empty) return 'the queue was not emptied';
  return undefined;
}

function auditHost(host: Host, { hosts, leases, swarmsOf }: Core): string | undefined {
  const { rows, lines } = hosts;
  for (const [line, open] of [
    [upLine(host.index), leases.ups(host.index)],
    [downLine(host.index), leases.downs(host.index)],
  ] as const) {
    const bytes = open.reduce((sum, lease) => sum + (leases.eased(lease) ? 0 : leases.bytes(lease)), 0);
    if (bytes !== lines.bytes(line)) return `outstanding bytes ${lines.bytes(line)} for ${bytes}`;
    if (open.length !== lines.count(line)) return `${lines.count(line)} transfers for ${open.length}`;
    if (host.silent && open.length > 0) return 'silent, and has transfers';
  }
  if (!host.serves && leases.ups(host.index).length > 0) return 'serves nobody and has uploads';
  if (rows.is(host.index, READY) || rows.is(host.index, HUNGRY)) return 'left in the queue';
  if (!host.trust.clean && !host.watched) return 'something is held against it, and nobody looks';
  const active = [...swarmsOf.all(host.index)].filter((swarm) => swarm.active);
  if (active.length !== swarmsOf.activeCount(host.index)) return `${active.length} swarms want something`;
  for (let i = 0; i < active.length; i++) {
    const swarm = swarmsOf.active(host.index, i);
    if (swarm === undefined || !active.includes(swarm)) return 'an active swarm that is not its own';
  }
  return undefined;
}

function auditSwarm(swarm: Swarm, { hosts, leases }: Core): string | undefined {
  const copies = new Array<number>(swarm.pieces).fill(0);
  const holders = new Array<number>(swarm.pieces).fill(0);
  const inGroups = new Map<number, number[]>();
  let wanting = 0;
  let needy = 0;
  for (const peer of swarm.peers()) {
    const host = swarm.hosts[peer];
    if (host === undefined) return `peer ${peer} has no host`;
    if (swarm.hostOf(peer) !== host.index || swarm.peerOf(host.index) !== peer) return `${host.id}: not peer ${peer}`;
    if (swarm.idcOf(peer) !== host.idc || swarm.isSeed(peer) !== host.seed) return `${host.id}: stands elsewhere`;
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
      if (!holds && !leases.downs(host.index, swarm).some((lease) => leases.piece(lease) === piece)) {
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
    if (untaken && hosts.hasDownRoom(host.index, swarm.pieceSize)) needy++;
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
