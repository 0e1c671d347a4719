/** The one wake-up that is wished for; says only what has changed. */
import type { Millis } from '../base/clock.ts';

export class Alarm {
  #at: Millis | null = null;

  /** The new wish, null = none any more; undefined when it stands as it was. Infinity means never. */
  set(time: Millis): Millis | null | undefined {
    const wish = Number.isFinite(time) ? time : null;
    if (wish === this.#at) return undefined;
    this.#at = wish;
    return wish;
  }

  /** It rang, perhaps a little early: the same wish has to be said again. */
  rang(): void {
    this.#at = null;
  }
}
