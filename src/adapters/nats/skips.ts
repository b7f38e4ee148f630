// Messages that a server has skipped: of one before 2.9.12 consumers go on after what was purged, be it a single subject, and
// it says nothing of what they had still to deliver before that.

import type { StoredMessage } from "../../ports/stream.ts";

/** What looking for them needs. */
export interface SkipParts {
  /** Asks for the first message at a sequence or after it that is followed. */
  readonly next: (sequence: number) => Promise<StoredMessage | undefined>;
  /** Asks for the last message of a subject; undefined where also others than the last must come. */
  readonly last: ((subject: string) => Promise<StoredMessage | undefined>) | undefined;
  /** Called when something was skipped. */
  readonly onSkipped: () => void;
  /** Called with why that is not known. */
  readonly onUnknown: (error: Error) => void;
}

/** Looks for them: nothing may be there between two messages that came one after the other. */
export class Skips {
  readonly #parts: SkipParts;
  readonly #gaps: { readonly from: number; readonly to: number }[] = [];
  #last: number;
  #looking = false;
  #ended = false;

  /** Makes it; `from` is the sequence after which nothing may be skipped. */
  constructor(parts: SkipParts, from: number) {
    this.#parts = parts;
    this.#last = from;
  }

  /** A message has come. */
  came(sequence: number): void {
    this.reached(sequence - 1);
    this.#last = Math.max(this.#last, sequence);
  }

  /** Everything up to a sequence must have come. */
  reached(sequence: number): void {
    if (sequence <= this.#last) return;
    this.#gaps.push({ from: this.#last + 1, to: sequence });
    this.#last = sequence;
    if (!this.#looking) void this.#look();
  }

  /** Looks no more. */
  end(): void {
    this.#ended = true;
    this.#gaps.length = 0;
  }

  async #look(): Promise<void> {
    this.#looking = true;
    try {
      for (let gap = this.#gaps.shift(); gap !== undefined; gap = this.#gaps.shift()) {
        if (await this.#isSkipped(gap.from, gap.to) && !this.#ended) this.#parts.onSkipped();
      }
    } catch (error) {
      if (!this.#ended) this.#parts.onUnknown(error as Error);
    } finally {
      this.#looking = false;
    }
  }

  async #isSkipped(from: number, to: number): Promise<boolean> {
    const { next, last } = this.#parts;
    while (!this.#ended) {
      const found = await next(from);
      if (found === undefined || found.sequence > to) return false;
      const { sequence, subject } = found;
      if (last === undefined || (await last(subject))?.sequence === sequence) return true;
      from = sequence + 1;
    }
    return false;
  }
}
