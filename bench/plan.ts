/** How much a benchmark does: five runs of everything, or one short one of each. */

export type Plan = {
  /** Repetitions of which the median is told. */
  readonly runs: number;
  /** Size of a large content. */
  readonly mib: number;
  /** Small files. */
  readonly files: number;
  /** Hosts that ask for one file at once. */
  readonly hosts: number;
  /** Seconds that a limit is watched. */
  readonly limitSeconds: number;
  /** Of a host's link, each way, where links are shaped; Mbit/s. */
  readonly mbit: number;
};

export const FULL: Plan = { runs: 5, mib: 1024, files: 5000, hosts: 1000, limitSeconds: 11, mbit: 100 };
export const QUICK: Plan = { runs: 1, mib: 256, files: 200, hosts: 1000, limitSeconds: 6, mbit: 100 };
