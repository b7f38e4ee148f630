// The record of one instance in the bucket: written whatever became of the bucket, removed where it is still its own.

import { AegisError, ConflictError } from "../domain/error.ts";
import { runOf } from "../domain/instance.ts";
import type { Kv } from "../ports/kv.ts";

/** What is written where. */
export interface RecordParts {
  /** The key. */
  readonly key: string;
  /** For how long it is kept after it was written, in milliseconds. */
  readonly ttlMs: number;
  /** Opens the bucket, which is made where it is not there. */
  readonly open: () => Promise<Kv>;
}

/** How long removing the record may take, in milliseconds. */
const REMOVE_MS = 2_000;
/** What passes by itself. */
const PASSING: readonly string[] = ["SERVICE_UNAVAILABLE", "TIMEOUT", "CLOSED"];

/** Whether the server has said no, and will until somebody changes something. */
export function isLasting(error: unknown): boolean {
  return AegisError.is(error) && !PASSING.includes(error.code);
}

/** The record of one instance. */
export class RegistryRecord {
  readonly #parts: RecordParts;
  #kv: Kv | undefined;
  /** The revision that was written last; undefined where it is not known. */
  #revision: number | undefined;

  /** Nothing is opened before it is written. */
  constructor(parts: RecordParts) {
    this.#parts = parts;
  }

  /** Its key. */
  get key(): string {
    return this.#parts.key;
  }

  /** Writes it within `timeoutMs`; where the bucket has gone, into a new one. */
  async put(value: unknown, timeoutMs: number): Promise<void> {
    try {
      await this.#put(value, timeoutMs);
    } catch (error) {
      // What is opened anew has what there is by then.
      if (isLasting(error)) this.#kv = undefined;
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
      await this.#put(value, timeoutMs);
    }
  }

  /** Removes it if it is still that of this run: another one with its name may have begun since. */
  async remove(run: string): Promise<void> {
    const kv = this.#kv;
    if (kv === undefined) return;
    const revision = this.#revision ?? await this.#ownRevision(kv, run);
    if (revision === undefined) return;
    try {
      await kv.purge(this.key, { revision, timeoutMs: REMOVE_MS });
    } catch (error) {
      if (!ConflictError.is(error)) throw error;
      const own = await this.#ownRevision(kv, run);
      if (own === undefined) return;
      await kv.purge(this.key, { revision: own, timeoutMs: REMOVE_MS });
    }
  }

  async #put(value: unknown, timeoutMs: number): Promise<void> {
    const { key, ttlMs, open } = this.#parts;
    const kv = this.#kv ??= await open();
    this.#revision = undefined;
    this.#revision = await kv.put(key, value, { ttlMs, timeoutMs });
  }

  async #ownRevision(kv: Kv, run: string): Promise<number | undefined> {
    const entry = await kv.get(this.key, { timeoutMs: REMOVE_MS });
    return runOf(entry?.value) === run ? entry?.revision : undefined;
  }
}
