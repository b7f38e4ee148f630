// The vigil: whoever must hear the server now and then learns from it that nothing was heard, behind one timer for all.

/** Somebody who must hear something. */
export interface Listener {
  /** Whether something was heard since it was looked; set when it is. */
  heard: boolean;
  /** When something was heard last, in monotonic milliseconds; the vigil's own. */
  heardAt: number;
  /** Called each time that it is looked, when nothing has been heard for too long. */
  silent(): void;
}

/** How often it is looked, in milliseconds. */
const LOOK_MS = 500;

/** Looks after those who listen. */
export class Vigil {
  readonly #silenceMs: number;
  readonly #listeners = new Set<Listener>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #lookedAt = 0;

  /** Makes it; after `silenceMs` without a word nobody is there. */
  constructor(silenceMs: number) {
    this.#silenceMs = silenceMs;
  }

  /** Looks after one more, who counts as having heard something now. */
  add(listener: Listener): void {
    listener.heard = true;
    listener.heardAt = performance.now();
    this.#listeners.add(listener);
    if (this.#timer !== undefined) return;
    this.#lookedAt = listener.heardAt;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Looks after it no longer. */
  remove(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = performance.now();
    // When this process stood still it has heard nothing either.
    const stood = now - this.#lookedAt > 3 * LOOK_MS;
    this.#lookedAt = now;
    for (const listener of [...this.#listeners]) {
      if (listener.heard || stood) {
        listener.heard = false;
        listener.heardAt = now;
      } else if (now - listener.heardAt > this.#silenceMs) listener.silent();
    }
  }
}
