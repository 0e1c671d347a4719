/** What was done about failing hosts since this supernode started, in numbers: raised when it happens, which is seldom. */
import { unreachable } from '../base/assert.ts';
import { Tally } from '../base/tally.ts';
import type { CheckOutcome, ReleaseReason } from '../scheduler/events.ts';
import type { IsolationReason } from '../scheduler/trust.ts';
import type { TrustCommand } from './swarm-loop.ts';

/** Decided here, or told by another supernode of the cluster. */
export type Decided = 'here' | 'elsewhere';

const FAULTS = ['peer-stalled', 'peer-reset', 'timeout', 'peer-refused', 'peer-lacks', 'peer-corrupt'] as const;
const REASONS: readonly IsolationReason[] = [...FAULTS, 'false-witness', 'operator'];
const RELEASES: readonly ReleaseReason[] = ['proved', 'refuted', 'operator'];

const both = <Key extends string>(keys: readonly Key[]): Readonly<Record<Decided, Tally<Key>>> => ({
  here: new Tally(keys),
  elsewhere: new Tally(keys),
});

export class TrustTally {
  readonly isolations = both(REASONS);
  readonly releases = both(RELEASES);
  readonly checks = new Tally<CheckOutcome>(['right', 'wrong', 'unknown']);
  /** Hosts taken out of one content. */
  exclusions = 0;

  take(command: TrustCommand): void {
    switch (command.type) {
      case 'isolated':
        // A host that comes back is isolated as it was before.
        if (command.again !== true) this.isolations[decided(command)].add(command.reason);
        break;
      case 'released':
        this.releases[decided(command)].add(command.why);
        break;
      case 'excluded':
        this.exclusions++;
        break;
      case 'admitted':
      case 'check-piece':
        break;
      default:
        unreachable(command);
    }
  }
}

function decided({ by }: { readonly by?: string }): Decided {
  return by === undefined ? 'here' : 'elsewhere';
}
