/** How far one host is with all layers of a preheat. */
import type { Fault } from '../../protocol/faults.ts';
import type { ContentId, HostId } from '../../protocol/ids.ts';
import type { HostView, PreheatState } from './preheat-request.ts';

export class HostProgress {
  readonly host: HostId;
  readonly #name: string;
  readonly #done = new Map<ContentId, number>();
  #layersDone = 0;
  #bytesDone = 0;
  #fault: Fault | undefined;
  #state: PreheatState = 'running';

  constructor(host: HostId, name: string) {
    this.host = host;
    this.#name = name;
  }

  get fault(): Fault | undefined {
    return this.#fault;
  }

  reached(content: ContentId, bytes: number): void {
    this.#done.set(content, bytes);
  }

  layerEnded(content: ContentId, length: number | null, fault: Fault | undefined): void {
    this.#bytesDone += length ?? this.#done.get(content) ?? 0;
    this.#done.delete(content);
    if (fault === undefined) this.#layersDone++;
    else this.#fault ??= fault;
  }

  /** With the preheat's end; a host that has all it should is done, whatever became of the others. */
  end(state: PreheatState): void {
    this.#state = this.#fault === undefined ? state : this.#fault.code === 'cancelled' ? 'stopped' : 'failed';
  }

  get view(): HostView {
    let done = this.#bytesDone;
    for (const bytes of this.#done.values()) done += bytes;
    return {
      host: this.host,
      name: this.#name,
      state: this.#state,
      done,
      layersDone: this.#layersDone,
      ...(this.#fault === undefined ? {} : { fault: this.#fault.toValue() }),
    };
  }
}
