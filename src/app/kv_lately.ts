// What was read or written lately: until when a value lives whose revision somebody names, without asking for it.

import type { KvMeaning } from "../domain/kv_message.ts";

/** How many are remembered. */
const MOST = 1_000;

/** The last values that were read or written, by their subjects. */
export class Lately {
  readonly #values = new Map<string, { readonly revision: number; readonly meaning: KvMeaning }>();

  /** What a value means that was read or written; undefined where that is not known any more. */
  get(subject: string, revision: number): KvMeaning | undefined {
    const found = this.#values.get(subject);
    return found?.revision === revision ? found.meaning : undefined;
  }

  /** Remembers one, in the place of the oldest. */
  add(subject: string, revision: number, meaning: KvMeaning): void {
    this.#values.delete(subject);
    this.#values.set(subject, { revision, meaning });
    if (this.#values.size <= MOST) return;
    for (const oldest of this.#values.keys()) return void this.#values.delete(oldest);
  }
}
