/**
 * What is held against hosts outlives the supernode: a small file in its home, written whole, when it has changed, every few seconds and at the end.
 * A file that is broken or of another kind is as good as none: then hosts begin with a clean slate, as they did before.
 */
import type { Clock } from '../base/clock.ts';
import { loadJson } from '../io/disk.ts';
import type { Log } from '../io/log.ts';
import { saveJson } from '../io/whole-file.ts';
import { amount, fields, flag, list, optionalText, text, whole } from '../protocol/check.ts';
import { checkContent, checkHostId } from '../protocol/shapes.ts';
import type { RememberedHost } from '../scheduler/trust-memory.ts';

const SAVE_MS = 5_000;
/** About 1 MiB of text. */
const MAX_HOSTS = 4_096;
const MAX_WORDS = 16;
const MAX_CONTENTS = 1_024;
const MAX_NOTE = 200;

export type TrustFileParts = {
  /** Absolute. */
  readonly path: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly scheduler: {
    remember(now: number, most: number): readonly RememberedHost[];
    recall(remembered: readonly RememberedHost[], agoMs: number, now: number): void;
  };
};

export class TrustFile {
  readonly #parts: TrustFileParts;
  #saved = '[]';
  #saving: Promise<void> = Promise.resolve();
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: TrustFileParts) {
    this.#parts = parts;
  }

  /** Before the first session. Does not throw. */
  async load(): Promise<void> {
    const { path, clock, log, scheduler } = this.#parts;
    try {
      const file = await loadJson(path);
      if (file !== undefined) {
        const { at, hosts } = parseFile(file);
        const now = clock.now();
        scheduler.recall(hosts, Math.max(0, clock.wall() - at), now);
        // Should nothing be left of it, that has to be written too.
        this.#saved = '';
        if (hosts.length > 0) log.info({ hosts: hosts.length }, 'what is held against hosts is remembered');
      }
    } catch (error) {
      log.warn({ error, path }, 'what was held against hosts cannot be read and is forgotten');
    }
    this.#timer = setInterval(() => void this.save(), SAVE_MS);
  }

  /** Now, if it has changed. Does not throw. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.save();
  }

  async #save(): Promise<void> {
    const { path, clock, log, scheduler } = this.#parts;
    const hosts = scheduler.remember(clock.now(), MAX_HOSTS);
    const said = JSON.stringify(hosts);
    if (said === this.#saved) return;
    try {
      await saveJson(path, { version: 1, at: clock.wall(), hosts });
      this.#saved = said;
    } catch (error) {
      log.error({ error, path }, 'what is held against hosts could not be kept');
    }
  }
}

/** Fault bad-message. */
function parseFile(value: unknown): { readonly at: number; readonly hosts: readonly RememberedHost[] } {
  const file = fields(value, 'file');
  whole(file.version, 'version', 1);
  const hosts = list(file.hosts, 'hosts', MAX_HOSTS);
  for (const entry of hosts) checkEntry(entry);
  return { at: amount(file.at, 'at'), hosts: hosts as readonly RememberedHost[] };
}

function checkEntry(value: unknown): void {
  const [host, memory] = list(value, 'host', 2);
  checkHostId(host);
  const { isolated, probation, isolations, service, wrong, doubt, excluded } = fields(memory, 'memory');
  if (isolated !== undefined) {
    const { reason, note, by, leftMs } = fields(isolated, 'isolated');
    text(reason, 'reason', 40);
    optionalText(note, 'note', MAX_NOTE);
    if (by !== undefined) checkHostId(by);
    if (leftMs !== null) amount(leftMs, 'leftMs');
  }
  flag(probation, 'probation');
  whole(isolations, 'isolations');
  for (const points of [service, wrong, doubt]) {
    for (const word of list(points, 'points', MAX_WORDS)) {
      const [witness, count] = list(word, 'points', 2);
      text(witness, 'witness', 200);
      amount(count, 'points');
    }
  }
  for (const item of list(excluded, 'excluded', MAX_CONTENTS)) {
    const [content, left] = list(item, 'excluded', 2);
    checkContent(content);
    amount(left, 'leftMs');
  }
}
