/** Manifests that hosts are asked for: whoever offers a content of the task and says that he has its manifest. */
import type { ContentId, TaskId } from '../protocol/ids.ts';
import type { Manifest } from '../protocol/task.ts';
import type { HostRecord, Hosts } from './hosts.ts';
import { MANIFEST_TIMEOUT_MS } from './limits.ts';

export class AskedManifests {
  readonly #hosts: Hosts;
  readonly #awaited = new Map<ContentId, (manifest: Manifest) => void>();

  constructor(hosts: Hosts) {
    this.#hosts = hosts;
  }

  /** Questions without an answer yet. */
  get count(): number {
    return this.#awaited.size;
  }

  came(manifest: Manifest): void {
    this.#awaited.get(manifest.content)?.(manifest);
  }

  /** Asks hosts that offer a content of the task for its manifest, one after the other. */
  async find(task: TaskId): Promise<Manifest | undefined> {
    const tried = new Set<ContentId>();
    for (const { record, entry } of this.#hosts.offersOf(task)) {
      if (!entry.hasManifest || tried.has(entry.content)) continue;
      tried.add(entry.content);
      const manifest = await this.#ask(record, entry.content);
      if (manifest !== undefined) return manifest;
    }
    return undefined;
  }

  #ask(record: HostRecord, content: ContentId): Promise<Manifest | undefined> {
    return new Promise((resolve) => {
      const end = (manifest: Manifest | undefined): void => {
        clearTimeout(timer);
        this.#awaited.delete(content);
        resolve(manifest);
      };
      const timer = setTimeout(() => end(undefined), MANIFEST_TIMEOUT_MS);
      this.#awaited.set(content, end);
      record.session.send({ type: 'ask-manifest', content });
    });
  }
}
