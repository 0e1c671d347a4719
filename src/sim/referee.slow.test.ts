/** Bugs put in on purpose: each must be caught within a few seeds. */
import { describe, expect, it, vi } from 'vitest';
import type { Millis } from '../base/clock.ts';
import type { SchedulerCommand, SchedulerEvent } from '../scheduler/events.ts';
import { Scheduler } from '../scheduler/scheduler.ts';
import { fuzz } from './fuzz.ts';
import type { SchedulerMaker } from './sim-supernode.ts';

vi.setConfig({ testTimeout: 120_000 });

type Handle = (event: SchedulerEvent, now: Millis) => readonly SchedulerCommand[];

/** A scheduler with a bug: `change` stands between it and the world. */
function broken(change: (scheduler: Scheduler, handle: Handle) => Handle): SchedulerMaker {
  return (settings) => {
    const scheduler = new Scheduler(settings);
    const whole = scheduler.handleAll.bind(scheduler);
    const handle = change(scheduler, (event, now) => [...whole([event], now)]);
    const handleAll = (events: readonly SchedulerEvent[], now: Millis) => events.flatMap((event) => handle(event, now));
    Object.defineProperty(scheduler, 'handleAll', { value: handleAll });
    return scheduler;
  };
}

function messagesOf(make: SchedulerMaker): string[] {
  return fuzz({ first: 1, count: 60 }, undefined, make).map((failure) => failure.message);
}

describe('the referee', () => {
  it('catches a scheduler that does not hear of lost pieces', () => {
    const make = broken(
      (_, handle) => (event, now) => handle(event.type === 'pieces-lost' ? { type: 'tick' } : event, now),
    );
    expect(messagesOf(make).some((message) => /does not hold it|pieces, \d+ are known/.test(message))).toBe(true);
  });

  it('catches a scheduler that keeps hosts which have left', () => {
    const make = broken(
      (_, handle) => (event, now) => handle(event.type === 'host-left' ? { type: 'tick' } : event, now),
    );
    expect(messagesOf(make).some((message) => /leases counted|not here|left after all/.test(message))).toBe(true);
  });

  it('catches a scheduler that goes on with isolated hosts', () => {
    const make = broken((scheduler, handle) => (event, now) => {
      for (const host of scheduler.state.isolated) {
        host.trust.isolated = false;
        for (const swarm of scheduler.state.swarms.values()) {
          if (swarm.peerOf(host.index) >= 0) swarm.setServes(swarm.peerOf(host.index), true);
        }
      }
      return handle(event, now);
    });
    expect(messagesOf(make).some((message) => message.includes('the parent is isolated'))).toBe(true);
  });

  it('catches a scheduler that gives a piece twice', () => {
    const make = broken((scheduler, handle) => (event, now) => {
      const out = handle(event, now);
      const assign = out.find((command) => command.type === 'assign');
      if (assign === undefined || now < 500) return out;
      return [...out, { ...assign, lease: scheduler.state.leases.live + 1 }];
    });
    expect(messagesOf(make).length).toBeGreaterThan(0);
  });

  it('catches a scheduler whose copy counts drift', () => {
    const make = broken((scheduler, handle) => (event, now) => {
      const out = handle(event, now);
      if (event.type === 'piece-failed')
        for (const swarm of scheduler.state.swarms.values()) swarm.copies.rarity.raise(0);
      return out;
    });
    expect(messagesOf(make).some((message) => /copies, counted/.test(message))).toBe(true);
  });

  it('catches a scheduler that never asks for the time: lost words then leave children waiting for ever', () => {
    const make = broken(
      (_, handle) => (event, now) => handle(event, now).filter((command) => command.type !== 'wake-at'),
    );
    expect(messagesOf(make).some((message) => message.startsWith('stuck'))).toBe(true);
  });
});
