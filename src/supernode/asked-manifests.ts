/**
 * Manifests that hosts are asked for: whoever offers a content of the task and says that he has its manifest. One host may stand still without
 * anybody knowing yet, so that the next one is asked when it takes its time: without an answer the source would be read again.
 */
import type { ContentId, TaskId } from '../protocol/ids.ts';
import type { Manifest } from '../protocol/task.ts';
import type { HostRecord, Hosts } from './hosts.ts';
import { MANIFEST_TIMEOUT_MS } from './limits.ts';

/** Hosts that are asked for one manifest. */
const MAX_ASKED = 4;
/** A host that has it answers sooner. */
const NEXT_MS = 300;

export class AskedManifests {
  readonly #hosts: Pick<Hosts, 'offersOf'>;
  readonly #awaited = new Map<ContentId, (manifest: Manifest) => void>();

  constructor(hosts: Pick<Hosts, 'offersOf'>) {
    this.#hosts = hosts;
  }

  /** Questions without an answer yet. */
  get count(): number {
    return this.#awaited.size;
  }

  came(manifest: Manifest): void {
    this.#awaited.get(manifest.content)?.(manifest);
  }

  /** Asks hosts that offer a content of the task for its manifest, one content after the other. */
  async find(task: TaskId): Promise<Manifest | undefined> {
    const offers = this.#hosts.offersOf(task).filter(({ entry }) => entry.hasManifest);
    for (const [content, found] of Map.groupBy(offers, ({ entry }) => entry.content)) {
      const records = found.slice(0, MAX_ASKED).map(({ record }) => record);
      const manifest = await this.#ask(content, records);
      if (manifest !== undefined) return manifest;
    }
    return undefined;
  }

  #ask(content: ContentId, records: readonly HostRecord[]): Promise<Manifest | undefined> {
    return new Promise((resolve) => {
      const timers: NodeJS.Timeout[] = [];
      const end = (manifest: Manifest | undefined): void => {
        for (const timer of timers) clearTimeout(timer);
        this.#awaited.delete(content);
        resolve(manifest);
      };
      this.#awaited.set(content, end);
      const ask = ({ session }: HostRecord) => session.send({ type: 'ask-manifest', content });
      const [first, ...others] = records;
      for (const [at, record] of others.entries()) timers.push(setTimeout(() => ask(record), (at + 1) * NEXT_MS));
      timers.push(setTimeout(() => end(undefined), others.length * NEXT_MS + MANIFEST_TIMEOUT_MS));
      if (first !== undefined) ask(first);
    });
  }
}
