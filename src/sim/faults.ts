/** What goes wrong in a run, and when: drawn from the seed before the first event. */
import type { Wants } from '../scheduler/events.ts';
import type { SimHost } from './sim-host.ts';
import type { World } from './world.ts';

export function planFaults(world: World): void {
  const { options } = world;
  const { random, queue } = world;
  const { faults } = options;
  const span = ((options.pieces * options.pieceSize) / options.rate) * 1000 * options.tasks;
  const joins = options.joinEveryMs * options.hosts;
  const some = (share: number, strike: (host: SimHost) => void): void => {
    if (share <= 0) return;
    for (let i = 1; i <= options.hosts; i++) {
      if (!random.chance(share)) continue;
      queue.at(random.between(0, span + joins), () => {
        const host = world.hosts[i];
        if (host?.alive) strike(host);
      });
    }
  };
  some(options.dying, (host) => world.leave(host, false));
  some(faults.crashes, (host) => world.leave(host, false));
  some(faults.departures, (host) => world.leave(host, true));
  some(faults.stalls, (host) => world.stall(host, random.between(500, 15_000)));
  some(faults.pauses, (host) => world.pause(host, random.between(500, 15_000)));
  some(faults.slow, (host) => world.network.setCapacity(host.up, options.rate / random.between(3, 50)));
  some(faults.corrupt, (host) => {
    host.corrupt = true;
    world.justice.corrupted(host);
    queue.after(random.between(1000, 60_000), () => {
      host.corrupt = false;
    });
  });
  some(faults.liars, (host) => {
    host.liar = random.chance(0.5) ? 'peer-corrupt' : 'peer-stalled';
    world.justice.lies(host);
    queue.after(random.between(1000, 20_000), () => {
      host.liar = undefined;
    });
  });
  some(faults.silent, (host) => {
    host.silent = true;
    queue.after(5_000, () => {
      host.silent = false;
    });
  });
  some(faults.forgetful, (host) => forget(world, host));
  some(faults.readers, (host) => read(world, host, 'all'));
  some(faults.lazy, (host) => browse(world, host, 1 + random.below(4)));
  planSupernodes(world, span);
}

/** Some of its pieces are gone from its disk. */
function forget(world: World, host: SimHost): void {
  for (const [content, copy] of host.copies) {
    if (copy.doneAt !== undefined) continue;
    const pieces = [...copy.truth].filter(() => world.random.chance(0.3));
    if (pieces.length === 0) continue;
    for (const piece of pieces) copy.truth.clear(piece);
    world.tellAll(host, { type: 'pieces-lost', host: host.id, content, pieces });
  }
}

/** Wants some windows and nothing else, one after the other, and all of it in the end. */
function browse(world: World, host: SimHost, windows: number): void {
  if (!host.alive) return;
  read(world, host, windows > 0 ? 'window' : 'all');
  if (windows > 0) world.queue.after(world.random.between(100, 3000), () => browse(world, host, windows - 1));
}

function read(world: World, host: SimHost, wants: Wants): void {
  for (const [content, copy] of host.copies) {
    if (copy.doneAt !== undefined) continue;
    const from = world.random.below(world.options.pieces);
    copy.wants = wants;
    copy.window = { from, count: 1 + world.random.below(8) };
    world.tellAll(host, { type: 'window-moved', host: host.id, content, window: copy.window, wants });
  }
}

function planSupernodes(world: World, span: number): void {
  const { options, random, queue } = world;
  const { faults } = options;
  for (const supernode of world.supernodes) {
    for (let i = 0; i < faults.clockJumps; i++) {
      queue.at(random.between(0, span), () => {
        supernode.clockOffset += random.between(-20_000, 60_000);
      });
    }
    for (let i = 0; i < faults.restarts; i++) {
      queue.at(random.between(0, span), () => {
        supernode.restart();
        world.shape(supernode);
        for (const host of world.hosts) {
          if (host?.alive) queue.after(host.seed ? 1 : random.between(10, 500), () => world.announce(host, supernode));
        }
      });
    }
  }
}
