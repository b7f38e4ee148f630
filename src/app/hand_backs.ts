// Handing back: what came to an instance and did not begin there goes to others, and is noted to be no attempt.

import type { Timer } from "../ports/clock.ts";
import type { Handling } from "./event_handling.ts";
import type { HandBackNotes } from "./hand_back_notes.ts";
import type { Runtime } from "./runtime.ts";

/** How long others wait for what is handed back until that is noted, in milliseconds: then it counts as an attempt. */
const NOTE_MS = 1_000;

/** What is handed back, and what then becomes of it. */
interface Returned {
  readonly handling: Handling;
  readonly tell: () => void;
}

/** Hands events back: those that come together under one note. */
export class HandBacks {
  readonly #runtime: Runtime;
  readonly #notes: HandBackNotes | undefined;
  #waiting: Returned[] = [];
  #noting: Returned[] = [];
  #timer: Timer | undefined;

  /** Makes it; without `notes` nothing is noted. */
  constructor(runtime: Runtime, notes: HandBackNotes | undefined) {
    this.#runtime = runtime;
    this.#notes = notes;
  }

  /** Hands one back: `tell` is called once, when it is noted or that takes too long. */
  give(handling: Handling, tell: () => void): void {
    this.#waiting.push({ handling, tell });
    if (this.#waiting.length === 1 && this.#noting.length === 0) {
      void Promise.resolve().then(() => this.#note());
    }
  }

  /** Waits for no note any more. */
  flush(): void {
    const all = this.#noting.concat(this.#waiting);
    this.#noting = [];
    this.#waiting = [];
    this.#timer?.cancel();
    for (const { tell } of all) tell();
  }

  async #note(): Promise<void> {
    if (this.#noting.length > 0) return;
    const { clock, logger, transport } = this.#runtime;
    const notes = this.#notes;
    // While the bus is away nobody else can have it either.
    if (notes === undefined || transport.status !== "connected") return this.flush();
    if (this.#waiting.length === 0) return;
    const batch = this.#noting = this.#waiting;
    this.#waiting = [];
    this.#timer = clock.setTimer(NOTE_MS, () => this.flush());
    try {
      await notes.add(batch.map(({ handling }) => handling.delivery));
    } catch (error) {
      logger.debug("It cannot be noted what is handed back, which counts as attempts", { error });
    }
    if (this.#noting !== batch) return;
    this.#timer.cancel();
    this.#noting = [];
    for (const { tell } of batch) tell();
    await this.#note();
  }
}
