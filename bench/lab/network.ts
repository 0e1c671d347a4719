/**
 * A network of shaped links on one machine: every host is a network namespace with a veth pair into a bridge that lives in a
 * namespace of its own, so nothing of it is visible outside. Each link is shaped at both ends (host egress = its upload, bridge
 * port = its download) with htb over a drop-tail queue, which is what an access link of a data centre does. Needs root,
 * `ip` and `tc`.
 *
 * A host's own egress queue is long, because TCP's small-queue limit bounds it and a drop there would only starve one of the
 * host's flows; the port's queue is short (QUEUE_MS), as in a switch.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';

export type Rates = { readonly upMbit: number; readonly downMbit: number };

const QUEUE_MS = 40;
const INTERRUPTS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const SEGMENT_BYTES = 16384;
const BRIDGE_FIREWALL = ['ip', 'ip6', 'arp']
  .map((kind) => `/proc/sys/net/bridge/bridge-nf-call-${kind}tables`)
  .join(' ');
const NEIGHBOUR_LIMIT = '/proc/sys/net/ipv4/neigh/default/gc_thresh3';

export class LabNetwork {
  readonly hosts: string[] = [];
  readonly #prefix: string;
  #neighbourLimit: string | undefined;
  readonly #interrupted: () => void;

  /** `onInterrupt` runs before an interrupted process takes the network down and ends. */
  constructor(prefix: string, onInterrupt: () => void = () => undefined) {
    this.#prefix = prefix;
    this.#interrupted = () => {
      this.#takeDown();
      onInterrupt();
      process.exit(130);
    };
  }

  up(): void {
    // Namespaces outlive their maker, who is not to be ended by a second signal while it takes them down.
    for (const signal of INTERRUPTS) process.on(signal, this.#interrupted);
    this.#run('ip', 'netns', 'add', this.#bridge);
    this.#inside(
      this.#bridge,
      'ip link set lo up && ip link add br0 type bridge forward_delay 0 && ip link set br0 up',
    );
    // A switch has no firewall. Where the kernel has one for bridges, it looks at every frame: 4 % of the CPU of a run.
    this.#inside(this.#bridge, `for f in ${BRIDGE_FIREWALL}; do [ ! -e $f ] || echo 0 > $f; done`);
    // Every pair of hosts costs two neighbour entries, and the kernel counts them over all namespaces.
    const limit = readFileSync(NEIGHBOUR_LIMIT, 'utf8').trim();
    if (Number(limit) >= 16384) return;
    this.#neighbourLimit = limit;
    writeFileSync(NEIGHBOUR_LIMIT, '16384');
  }

  address(host: string): string {
    return `10.77.0.${this.hosts.indexOf(host) + 1}`;
  }

  namespace(host: string): string {
    return `${this.#prefix}-${host}`;
  }

  add(host: string, rates: Rates): void {
    this.hosts.push(host);
    const ns = this.namespace(host);
    this.#run('ip', 'netns', 'add', ns);
    this.#run(
      'ip',
      'link',
      'add',
      'name',
      'eth0',
      'netns',
      ns,
      'type',
      'veth',
      'peer',
      'name',
      `v${host}`,
      'netns',
      this.#bridge,
    );
    const segments = `gso_max_size ${SEGMENT_BYTES} gro_max_size ${SEGMENT_BYTES}`;
    this.#inside(this.#bridge, `ip link set v${host} master br0 up && ip link set v${host} ${segments}`);
    this.#inside(
      ns,
      `ip link set eth0 ${segments} && ip link set lo up && ip addr add ${this.address(host)}/24 dev eth0 && ip link set eth0 up &&
       sysctl -qw net.ipv4.tcp_congestion_control=reno net.ipv4.tcp_slow_start_after_idle=0`,
    );
    this.#shape(ns, 'eth0', rates.upMbit, 4 * 1024 * 1024);
    this.#shape(this.#bridge, `v${host}`, rates.downMbit, Math.max(262144, rates.downMbit * 125 * QUEUE_MS));
  }

  /** Bytes on the wire as the host's port counts them. */
  bytes(host: string): { sent: number; received: number } {
    const table = this.#run('ip', 'netns', 'exec', this.#bridge, 'cat', '/proc/net/dev');
    const line = table.split('\n').find((text) => text.trim().startsWith(`v${host}:`)) ?? '';
    const fields = line
      .slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    return { sent: fields[0] ?? 0, received: fields[8] ?? 0 };
  }

  processes(host: string): number[] {
    return this.#run('ip', 'netns', 'pids', this.namespace(host)).split('\n').filter(Boolean).map(Number);
  }

  /** Ends what still runs inside and takes everything down; safe after a half-made `up`. */
  down(): void {
    for (const signal of INTERRUPTS) process.off(signal, this.#interrupted);
    this.#takeDown();
  }

  #takeDown(): void {
    for (const host of this.hosts) {
      for (const pid of this.#try(() => this.processes(host)) ?? []) this.#try(() => process.kill(pid, 'SIGKILL'));
      this.#try(() => this.#run('ip', 'netns', 'del', this.namespace(host)));
    }
    this.#try(() => this.#run('ip', 'netns', 'del', this.#bridge));
    const limit = this.#neighbourLimit;
    if (limit !== undefined) this.#try(() => writeFileSync(NEIGHBOUR_LIMIT, limit));
  }

  get #bridge(): string {
    return `${this.#prefix}-bridge`;
  }

  #shape(ns: string, device: string, mbit: number, queueBytes: number): void {
    if (mbit === 0) return;
    const burst = Math.max(65536, (mbit * 1_000_000) / 8 / 500);
    this.#inside(
      ns,
      `tc qdisc add dev ${device} root handle 1: htb default 1 r2q 100 &&
       tc class add dev ${device} parent 1: classid 1:1 htb rate ${mbit}mbit ceil ${mbit}mbit burst ${burst} cburst ${burst} quantum 60000 &&
       tc qdisc add dev ${device} parent 1:1 handle 10: bfifo limit ${queueBytes}`,
    );
  }

  #inside(ns: string, script: string): void {
    this.#run('ip', 'netns', 'exec', ns, 'sh', '-ec', script);
  }

  #run(command: string, ...args: string[]): string {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** Taking down goes on whatever fails: a namespace that was never made is no reason to leave the others. */
  #try<T>(step: () => T): T | undefined {
    try {
      return step();
    } catch {
      return undefined;
    }
  }
}
