/**
 * Where the machines of a run stand. Plain: addresses 127.0.0.x of this machine. Namespaces: each machine is a network namespace with a
 * link into a bridge, so that links can be cut; the run itself is in namespaces of its own then (own-namespaces.ts), of which nothing is
 * visible outside and nothing is left after its end.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

export type Places = {
  readonly canCut: boolean;
  /** Makes a machine; returns its address. */
  add(name: string): string;
  /** The command, to be run on that machine. */
  on(name: string, command: readonly string[]): readonly string[];
  /** `silent`: packets vanish; `carrier`: the cable is out. Returns what mends it. */
  cut(name: string, way: string): () => void;
};

export class PlainPlaces implements Places {
  readonly canCut = false;
  #machines = 0;

  add(): string {
    return `127.0.0.${1 + ++this.#machines}`;
  }

  on(_: string, command: readonly string[]): readonly string[] {
    return command;
  }

  cut(): () => void {
    throw new Error('links of 127.0.0.x cannot be cut');
  }
}

const NAMES = '/run/netns';

export class NamespacePlaces implements Places {
  readonly canCut = true;
  #machines = 0;

  constructor() {
    mkdirSync(NAMES, { recursive: true });
    run('mount', '-t', 'tmpfs', 'tmpfs', NAMES);
    run('ip', 'link', 'set', 'lo', 'up');
    run('ip', 'link', 'add', 'br0', 'type', 'bridge', 'forward_delay', '0');
    run('ip', 'addr', 'add', '10.77.0.254/24', 'dev', 'br0');
    run('ip', 'link', 'set', 'br0', 'up');
  }

  add(name: string): string {
    const address = `10.77.0.${++this.#machines}`;
    const inside = (...command: string[]) => run('ip', 'netns', 'exec', name, ...command);
    run('ip', 'netns', 'add', name);
    run('ip', 'link', 'add', 'eth0', 'netns', name, 'type', 'veth', 'peer', 'name', `v-${name}`);
    run('ip', 'link', 'set', `v-${name}`, 'master', 'br0', 'up');
    inside('ip', 'link', 'set', 'lo', 'up');
    inside('ip', 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    inside('ip', 'link', 'set', 'eth0', 'up');
    return address;
  }

  on(name: string, command: readonly string[]): readonly string[] {
    return ['ip', 'netns', 'exec', name, ...command];
  }

  cut(name: string, way: string): () => void {
    const link = `v-${name}`;
    if (way === 'carrier') {
      run('ip', 'link', 'set', link, 'down');
      return () => run('ip', 'link', 'set', link, 'up');
    }
    run('ip', 'link', 'set', link, 'nomaster');
    return () => run('ip', 'link', 'set', link, 'master', 'br0');
  }
}

function run(command: string, ...args: readonly string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
