import { afterEach, expect, it } from 'vitest';
import type { TransferEvent } from '../transfer/events.ts';
import type { SupernodeLink } from './supernode-link.ts';
import { cleanUp, cluster, expectedFor, hostWith, task, waitFor } from './supernodes.fixture.ts';
import { TaskLink } from './task-link.ts';

afterEach(cleanUp);

function taskLink(nodes: string[], answerMs: number) {
  const events: TransferEvent[] = [];
  const link = new TaskLink({
    ...{ supernodes: hostWith(...nodes), task: task(1), nodes: [], grant: undefined, answerMs },
    spec: { url: 'http://h/x', headers: [], filter: [] },
    sink: {
      having: () => undefined,
      window: () => null,
      whole: () => true,
      onOpened: async () => undefined,
      onEvent: (event) => void events.push(event),
      onManifest: () => undefined,
      onShape: async () => undefined,
    },
  });
  return { link, events };
}

it('asks the next supernode when one that lives never answers', async () => {
  const fakes = await cluster(2);
  const [first, second] = expectedFor(fakes, 1);
  const { link, events } = taskLink(
    fakes.map(({ place }) => place),
    200,
  );
  link.open();
  const asked = (fake: typeof first) => fake?.heard.filter(({ type }) => type === 'open').length ?? 0;
  await waitFor(() => expect(asked(second)).toBe(1));
  expect(asked(first)).toBe(1);
  expect((link.link as SupernodeLink).supernode).toBe(second?.id);
  // Nobody else is left.
  await waitFor(() =>
    expect(events).toEqual([{ type: 'refused', fault: expect.objectContaining({ code: 'supernode-unreachable' }) }]),
  );
  link.close();
});
