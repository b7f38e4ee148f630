// The store of an election: the record of one group in a bucket, as the state machine of leases reads and writes it.

import { ConflictError } from "../domain/error.ts";
import { type LeaseRecord, leaseRecordValue, readLeaseRecord } from "../domain/lease_record.ts";
import type { LeaseContent } from "../domain/lease_state.ts";
import type { Kv, KvChange } from "../ports/kv.ts";

/**
 * What an election needs of a bucket. It is to be read from where writes are decided, and a value that is in no encoding is
 * to be given as undefined.
 */
export type LeaseKv = Pick<Kv, "get" | "put" | "history" | "watch">;

/** What the key has. */
export interface LeaseSeen {
  readonly revision: number;
  readonly content: LeaseContent;
}

/** One key of a bucket. */
export class ElectionStore {
  readonly #kv: LeaseKv;
  readonly #key: string;

  constructor(kv: LeaseKv, key: string) {
    this.#kv = kv;
    this.#key = key;
  }

  /** Reads the key. @throws what keeps it from being read. */
  async read(timeoutMs: number): Promise<LeaseSeen> {
    const entry = await this.#kv.get(this.#key, { timeoutMs });
    if (entry !== undefined) return seen(entry.revision, entry.value);
    // What was removed has left a revision, unless nobody has ever led here.
    const last = (await this.#kv.history(this.#key, { timeoutMs })).at(-1);
    if (last === undefined) return { revision: 0, content: "absent" };
    return last.operation === "put"
      ? seen(last.revision, last.value)
      : { revision: last.revision, content: "absent" };
  }

  /** Writes the key at a revision; its new one, or undefined where it has another. @throws when nobody can tell. */
  async write(
    record: LeaseRecord,
    revision: number,
    timeoutMs: number,
  ): Promise<number | undefined> {
    try {
      return await this.#kv.put(this.#key, leaseRecordValue(record), { revision, timeoutMs });
    } catch (error) {
      if (ConflictError.is(error)) return undefined;
      throw error;
    }
  }

  /** Tells what becomes of the key, until the signal aborts. @throws when that cannot be heard any more. */
  async watch(signal: AbortSignal, hear: (seen: LeaseSeen) => void): Promise<void> {
    for await (const change of this.#kv.watch({ key: this.#key, signal })) hear(changed(change));
  }
}

function changed({ revision, entry }: KvChange): LeaseSeen {
  return entry === undefined ? { revision, content: "absent" } : seen(revision, entry.value);
}

function seen(revision: number, value: unknown): LeaseSeen {
  return { revision, content: readLeaseRecord(value, revision) ?? "garbage" };
}
