import { expect, test } from 'vitest';
import { silentLog } from '../io/log.ts';
import type { Fault } from '../protocol/faults.ts';
import type { HostId } from '../protocol/ids.ts';
import type { SchedulerEvent } from '../scheduler/events.ts';
import { hostSession } from './host-session.fixture.ts';
import { Liveness } from './liveness.ts';

const HOST = 'one' as HostId;

function lab() {
  const told: SchedulerEvent[] = [];
  const closed: (Fault | undefined)[] = [];
  let pings = 0;
  const session = hostSession({
    quietMs: 0,
    ping: () => {
      pings++;
    },
    close: (reason?: Fault) => void closed.push(reason),
  });
  const liveness = new Liveness({
    busy: () => [HOST],
    sessionOf: () => session,
    tell: (event) => told.push(event),
    log: silentLog,
  });
  const quiet = (quietMs: number, late = false): void => {
    session.quietMs = quietMs;
    liveness.look(late);
  };
  return { liveness, told, closed, quiet, pings: () => pings };
}

test('a busy host is asked, then silent, and heard again at once', () => {
  const { liveness, told, quiet, pings } = lab();
  quiet(50);
  expect([told.length, pings()]).toEqual([0, 0]);
  quiet(250);
  expect([told.length, pings()]).toEqual([0, 1]);
  quiet(750);
  quiet(900);
  expect(told).toEqual([{ type: 'host-silent', host: HOST }]);
  expect(liveness.has(HOST)).toBe(true);
  quiet(10);
  expect(told.at(-1)).toEqual({ type: 'host-heard', host: HOST });
  expect(liveness.has(HOST)).toBe(false);
});

test('one that was only slow gets twice the time', () => {
  const { told, quiet } = lab();
  quiet(750);
  quiet(10);
  quiet(1_300);
  expect(told.map(({ type }) => type)).toEqual(['host-silent', 'host-heard']);
  quiet(1_500);
  expect(told).toHaveLength(3);
});

test('one that is quiet is asked twice before it counts as silent, not at every look', () => {
  const { quiet, pings } = lab();
  for (const ms of [210, 335, 460, 585]) quiet(ms);
  expect(pings()).toBe(2);
  // It answered in between.
  quiet(220);
  expect(pings()).toBe(3);
});

test('a look that comes late says nothing of others', () => {
  const { told, closed, quiet } = lab();
  quiet(20_000, true);
  expect([told, closed]).toEqual([[], []]);
  quiet(20_000);
  expect(closed[0]?.code).toBe('agent-unreachable');
});
