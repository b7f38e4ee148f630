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

/**
 * What had become of a record when it was to be written again: it was as it had been left, it had gone, or another process
 * that has the same name had written it.
 */
type Fate = "kept" | "gone" | "taken";

/** So many times that it has gone, or somebody else has written it, are no chance, unless it was kept as often in a row. */
const NO_CHANCE = 3;
/** Of the first writes so many look what has become of it, and then one of so many: to look takes a question more. */
const FIRST_LOOKS = 3;
const LOOK_EVERY = 12;

/** How long removing the record may take, or looking whose it is, in milliseconds. */
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
  /** What it suffers from, how often it has, and how often in a row it has not. */
  #fate: Fate = "kept";
  #times = 0;
  #kept = 0;
  #writes = 0;
  #trouble: ConflictError | undefined;

  /** Nothing is opened before it is written. */
  constructor(parts: RecordParts) {
    this.#parts = parts;
  }

  /** Its key. */
  get key(): string {
    return this.#parts.key;
  }

  /** What keeps happening to it, so that others do not find it, or find another process. */
  get trouble(): ConflictError | undefined {
    return this.#trouble;
  }

  /** It is not there any more: its time has come to an end. */
  expired(): void {
    this.#revision = undefined;
  }

  /** Writes it within `timeoutMs`, for one run of the instance; where the bucket has gone, into a new one. */
  async put(value: unknown, run: string, timeoutMs: number): Promise<void> {
    try {
      await this.#put(value, run, timeoutMs);
    } catch (error) {
      // What is opened anew has what there is by then.
      if (isLasting(error)) this.#kv = undefined;
      if (!AegisError.is(error, "STREAM_NOT_FOUND")) throw error;
      await this.#put(value, run, timeoutMs);
    }
  }

  /** Removes it if it is still that of this run: another one with its name may have begun since. */
  async remove(run: string): Promise<void> {
    const kv = this.#kv;
    // One that has this name too would be gone until its next heartbeat.
    if (kv === undefined || this.#fate === "taken") return;
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

  async #put(value: unknown, run: string, timeoutMs: number): Promise<void> {
    const { key, ttlMs, open } = this.#parts;
    const kv = this.#kv ??= await open();
    const revision = this.#revision;
    this.#revision = undefined;
    this.#writes++;
    if (revision !== undefined && this.#isToLook()) {
      try {
        this.#revision = await kv.put(key, value, { ttlMs, timeoutMs, revision });
        return this.#met("kept");
      } catch (error) {
        if (!ConflictError.is(error)) throw error;
        this.#met(await this.#look(kv, run));
      }
    }
    this.#revision = await kv.put(key, value, { ttlMs, timeoutMs });
  }

  #isToLook(): boolean {
    return this.#fate !== "kept" || this.#writes <= FIRST_LOOKS || this.#writes % LOOK_EVERY === 0;
  }

  #met(fate: Fate): void {
    if (fate === "kept") {
      // Of two that write at the same moments one may be the first twice.
      if (++this.#kept >= NO_CHANCE) this.#suffer("kept");
      return;
    }
    if (fate !== this.#fate) this.#suffer(fate);
    this.#kept = 0;
    if (++this.#times === NO_CHANCE) {
      this.#trouble = new ConflictError(
        fate === "taken"
          ? `Another process has the same name: ${this.key}, and each call of the instance alone, is now for one, now for the other; give each an instanceId of its own, or none`
          : `${this.key} does not last from one heartbeat to the next, and nobody finds it in between; are keys of the bucket kept for a shorter time?`,
      );
    }
  }

  #suffer(fate: Fate): void {
    this.#fate = fate;
    this.#times = 0;
    this.#trouble = undefined;
  }

  /** What has become of it. */
  async #look(kv: Kv, run: string): Promise<Fate> {
    try {
      const entry = await kv.get(this.key, { timeoutMs: REMOVE_MS });
      if (entry === undefined) return "gone";
      return [run, undefined].includes(runOf(entry.value) as string) ? "kept" : "taken";
    } catch {
      // It is written all the same, which says whether the bucket is there.
      return "kept";
    }
  }

  async #ownRevision(kv: Kv, run: string): Promise<number | undefined> {
    const entry = await kv.get(this.key, { timeoutMs: REMOVE_MS });
    return runOf(entry?.value) === run ? entry?.revision : undefined;
  }
}
