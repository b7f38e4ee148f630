// The ledger: what an instance writes into the records of the commands that it has, one write after the other.

import { type CommandRecord, isFinal } from "../domain/command_record.ts";
import { AegisError, ConflictError } from "../domain/error.ts";
import type { CommandRecords } from "./command_records.ts";
import type { CommandRun } from "./command_run.ts";
import { pause } from "./pause.ts";
import type { Runtime } from "./runtime.ts";

/**
 * What a write came to: it is there; the command has ended meanwhile, by somebody who took it back; or it is another
 * instance's by now.
 */
export type Written =
  | { readonly kind: "written" }
  | { readonly kind: "ended"; readonly record: CommandRecord }
  | { readonly kind: "lost" };

const WRITTEN: Written = Object.freeze({ kind: "written" });
const LOST: Written = Object.freeze({ kind: "lost" });
/** What will be so the next time. */
const FINAL_CODES: readonly string[] = ["SERIALIZATION", "PAYLOAD_TOO_LARGE", "PERMISSION_DENIED"];
/** How soon a record is written again that could not be, in milliseconds. */
const AGAIN_MS = 1_000;

/** Writes the records of the commands of one instance. */
export class CommandLedger {
  readonly #runtime: Runtime;
  readonly #records: CommandRecords;
  readonly #instanceId: string;
  readonly #writing = new WeakMap<CommandRun, Promise<unknown>>();

  constructor(runtime: Runtime, records: CommandRecords, instanceId: string) {
    this.#runtime = runtime;
    this.#records = records;
    this.#instanceId = instanceId;
  }

  /**
   * Writes what `change` makes of the record of a command at hand, after all that was to be written before, over outages
   * and for as long as the server cannot store it.
   *
   * @throws {ClosedError} when the bus is closed, {SerializationError} when the record has no encoding or is too large,
   * {AegisError} with code `PERMISSION_DENIED`.
   */
  write(run: CommandRun, change: (record: CommandRecord) => CommandRecord): Promise<Written> {
    return this.#inTurn(run, () => this.#write(run, change));
  }

  /** What a write would come to now, with which nothing is written. */
  check(run: CommandRun): Promise<Written> {
    return this.#inTurn(run, async () => {
      const { record, revision } = await this.#records.readPatiently(run.token);
      if (record === undefined || revision === run.revision || this.#isOwn(run, record)) {
        return WRITTEN;
      }
      return isFinal(record.state) ? { kind: "ended", record } : LOST;
    });
  }

  #inTurn(run: CommandRun, work: () => Promise<Written>): Promise<Written> {
    const before = this.#writing.get(run);
    const written = before === undefined ? work() : before.then(work, work);
    this.#writing.set(run, written);
    return written;
  }

  async #write(
    run: CommandRun,
    change: (record: CommandRecord) => CommandRecord,
  ): Promise<Written> {
    const { token, codec } = run;
    for (;;) {
      const next = change(run.record!);
      try {
        run.revision = await this.#records.write(token, next, run.revision, {
          codec,
          expiresAt: Infinity,
        });
        run.record = next;
        return WRITTEN;
      } catch (error) {
        if (!ConflictError.is(error)) {
          this.#check(run, error);
          await pause(this.#runtime, AGAIN_MS);
          continue;
        }
        const { record, revision, fault } = await this.#records.readPatiently(token);
        if (fault !== undefined) {
          run.log.warn("The record of a command is damaged, and is written anew", { error: fault });
        }
        // Its record was removed or damaged, or has outlived its time: what it says now is all that there is.
        const own = record === undefined || this.#isOwn(run, record);
        if (record !== undefined && this.#isOwnEnd(run, record, next)) {
          run.revision = revision;
          run.record = next;
          return WRITTEN;
        }
        if (!own) return isFinal(record.state) ? { kind: "ended", record } : LOST;
        if (run.revision === revision) throw error;
        run.revision = revision;
      }
    }
  }

  /** What nobody can outlast is thrown on. */
  #check(run: CommandRun, error: unknown): void {
    const passes = AegisError.is(error) && this.#runtime.transport.status !== "closed" &&
      !FINAL_CODES.includes(error.code);
    if (!passes) throw error;
    run.log.warn("The record of a command cannot be written at the moment; it is tried again", {
      error,
    });
  }

  /** Whether a record is the last one that this instance wanted to write: it was not heard of, and came late. */
  #isOwnEnd(run: CommandRun, record: CommandRecord, next: CommandRecord): boolean {
    return record.state === next.state && record.updatedAt === next.updatedAt &&
      record.instanceId === this.#instanceId && record.stream === run.stream &&
      record.sequence === run.delivery.sequence && record.delivery === run.claimedBy;
  }

  /** Whether a record was written by this instance for this delivery: a write that was not heard of, and came late. */
  #isOwn({ stream, delivery, claimedBy }: CommandRun, record: CommandRecord): boolean {
    return record.state === "running" && record.instanceId === this.#instanceId &&
      record.stream === stream && record.sequence === delivery.sequence &&
      record.delivery === claimedBy;
  }
}
