/** A session of a host for tests that look at one side of it alone: what is not given does nothing. */
import type { HostSession } from './hosts.ts';

export function hostSession<Given extends Partial<HostSession>>(given: Given): HostSession & Given {
  const nothing = () => undefined;
  const sends = { send: nothing, sendText: nothing, sendBytes: () => false, sendNow: nothing };
  return { ...sends, quietMs: 0, ping: nothing, close: nothing, ...given };
}
