/**
 * Promises of the supernode: "this host gets this content without asking the source". Given with a `fetch`, so that hosts
 * need none of the source's credentials. Invariant: a grant serves one host and one task, and ends with its fetch.
 */
import { assert } from '../base/assert.ts';
import type { HostId, TaskId } from '../protocol/ids.ts';
import type { Entry } from './cache/entry.ts';

export type Grant = { readonly host: HostId; readonly task: TaskId; readonly entry: Entry };

/** More than this many fetches never run at once. */
const MAX_GRANTS = 100_000;

export class Grants {
  readonly #grants = new Map<string, Grant>();
  readonly #unique: () => string;

  constructor(unique: () => string) {
    this.#unique = unique;
  }

  get count(): number {
    return this.#grants.size;
  }

  give(grant: Grant): string {
    assert(this.#grants.size < MAX_GRANTS, 'more grants than fetches');
    const name = this.#unique();
    this.#grants.set(name, grant);
    return name;
  }

  /** The content that the host may have; undefined when it may not, or not any more. */
  find(name: string, host: HostId, task: TaskId): Entry | undefined {
    const grant = this.#grants.get(name);
    return grant?.host === host && grant.task === task ? grant.entry : undefined;
  }

  end(name: string): void {
    this.#grants.delete(name);
  }
}
