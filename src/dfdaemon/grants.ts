/**
 * Who may have which blob of which repository: what a registry itself has said to a client's own credentials. Invariants:
 * a grant comes from an answer of the registry and from nothing else; it speaks of one credential, one repository and
 * named blobs; it is good for a minute, and a while longer only if the registry cannot be asked.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../base/clock.ts';
import type { Digest } from '../protocol/task.ts';

export type Place = {
  /** The registry's `https://host[:port]`. */
  readonly registry: string;
  readonly repository: string;
};

/** `credential` is a hash: what was sent is not kept. */
export type Asker = Place & { readonly credential: string };

export type ManifestBlobs = {
  readonly manifest: Digest;
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[];
};

const GRANT_MS = 60_000;
/** While the registry cannot be reached. */
const STRETCHED_MS = 600_000;
const MAX_GRANTS = 100_000;
const MAX_BLOBS = 100_000;
const MAX_MANIFESTS = 5_000;

export class Grants {
  readonly #clock: Clock;
  readonly #granted = new LRUCache<string, { readonly at: number }>({ max: MAX_GRANTS });
  /** In which manifest of its repository a blob was seen, and what that says of its size. */
  readonly #seenIn = new LRUCache<string, { readonly manifest: Digest; readonly size: number }>({ max: MAX_BLOBS });
  readonly #blobsOf = new LRUCache<string, readonly Digest[]>({ max: MAX_MANIFESTS });

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  grant(asker: Asker, blobs: readonly Digest[]): void {
    const at = this.#clock.now();
    for (const blob of blobs) this.#granted.set(key(asker.registry, asker.repository, asker.credential, blob), { at });
  }

  has(asker: Asker, blob: Digest, registryIsDown = false): boolean {
    const granted = this.#granted.get(key(asker.registry, asker.repository, asker.credential, blob));
    return granted !== undefined && this.#clock.now() - granted.at < (registryIsDown ? STRETCHED_MS : GRANT_MS);
  }

  /** The registry gave this manifest of this repository. */
  learn(place: Place, { manifest, blobs }: ManifestBlobs): void {
    const digests = blobs.map(({ digest }) => digest);
    this.#blobsOf.set(key(place.registry, place.repository, manifest), digests);
    for (const { digest, size } of blobs)
      this.#seenIn.set(key(place.registry, place.repository, digest), { manifest, size });
  }

  manifestWith(place: Place, blob: Digest): Digest | undefined {
    return this.#seenIn.get(key(place.registry, place.repository, blob))?.manifest;
  }

  /** Bytes, as the manifest says that it was seen in last. */
  sizeOf(place: Place, blob: Digest): number | undefined {
    return this.#seenIn.get(key(place.registry, place.repository, blob))?.size;
  }

  blobsOf(place: Place, manifest: Digest): readonly Digest[] {
    return this.#blobsOf.get(key(place.registry, place.repository, manifest)) ?? [];
  }
}

function key(...parts: readonly string[]): string {
  return parts.join(' ');
}
