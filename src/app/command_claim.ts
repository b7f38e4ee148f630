// Claiming: who has a command at hand writes into its record that it runs it, and runs it only when that is written.

import { sentAt } from "../domain/command.ts";
import {
  claimStep,
  type CommandRecord,
  pendingRecord,
  runningRecord,
} from "../domain/command_record.ts";
import { RECORD_HEADER } from "../domain/command_subject.ts";
import { ConflictError, type SerializationError } from "../domain/error.ts";
import type { BusStreams } from "./bus_streams.ts";
import type { CommandRecords, Kept } from "./command_records.ts";
import type { CommandRun } from "./command_run.ts";
import { isWithdrawn, neverBegan } from "./command_withdrawn.ts";
import type { Runtime } from "./runtime.ts";

/** It has ended before, or another message of the same command is there: this one is not needed. */
export interface Done {
  readonly kind: "done";
  readonly record: CommandRecord;
  /** Where the queue may have word that it was taken back: beside its record, or in the place of one. */
  readonly word?: "beside" | "alone" | undefined;
}

/** What a claim came to. */
export type Claimed =
  /** It is this instance's, and its handler may begin. */
  | { readonly kind: "claimed" }
  | Done
  /** It was tried as often as it may be, and the last attempts ended with their processes. */
  | { readonly kind: "exhausted" }
  /** Its next attempt is to begin later. */
  | { readonly kind: "early"; readonly waitMs: number }
  /** Somebody else has it by a delivery that is as new. */
  | { readonly kind: "held" };

const CLAIMED: Claimed = Object.freeze({ kind: "claimed" });
const HELD: Claimed = Object.freeze({ kind: "held" });

/** What claims are made with. */
export interface ClaimParts {
  readonly runtime: Runtime;
  readonly streams: BusStreams;
  readonly records: CommandRecords;
  readonly instanceId: string;
}

/**
 * Claims a command, within the lease that comes with its delivery.
 *
 * @throws {UnavailableError | TimeoutError | ClosedError} when the record could not be read or written in that time.
 */
export async function claim(parts: ClaimParts, run: CommandRun): Promise<Claimed> {
  const { runtime, streams, records, instanceId } = parts;
  const { delivery, token, codec, stream, handler } = run;
  const place = { stream, sequence: delivery.sequence, delivery: run.claimedBy };
  let kept = await first(parts, run);
  for (let looks = 0;; looks++) {
    const isWord = kept.record === undefined && await isWithdrawn(streams, run);
    if (isWord) kept = { ...kept, record: { ...pendingOf(run), state: "cancelled" } };
    const now = runtime.clock.now();
    const step = claimStep(kept.record, place, handler.settings.retry.attempts, now);
    if (step === "held") return HELD;
    if (step === "early") return { kind: "early", waitMs: kept.record!.dueAt! - now };
    if (step === "done") {
      const word = isWord ? "alone" : neverBegan(kept.record!) ? "beside" : undefined;
      return { kind: "done", record: kept.record!, word };
    }
    if (step === "other" && await isThere(parts, kept.record!)) {
      return { kind: "done", record: kept.record! };
    }
    if (kept.record?.state === "running" && step !== "other") {
      const looked = await look(parts, run, kept);
      // Somebody has written meanwhile: what that was decides.
      if (looked === undefined) {
        kept = await records.readAtHand(token);
        continue;
      }
      if (looked.heldForMs < run.longestLeaseMs) return HELD;
      kept = looked.kept;
    }
    const before = kept.record ?? anew(run, kept.fault);
    run.revision = kept.revision;
    if (step === "exhausted") {
      run.record = before;
      return { kind: "exhausted" };
    }
    const record = runningRecord(before, place, instanceId, run.timeoutMs, now);
    // As it is, should it be written and nobody hear of that.
    run.record = record;
    try {
      run.revision = await records.write(token, record, kept.revision, {
        codec,
        expiresAt: run.leaseEnd,
      });
      run.resume(before);
      return CLAIMED;
    } catch (error) {
      if (!ConflictError.is(error)) throw error;
      kept = await records.readAtHand(token);
      // Who has just begun was a moment faster with an older delivery, and is there: it is to go on.
      const began = kept.record?.state === "running" && kept.record.sequence === place.sequence;
      if (began && looks === 0) return HELD;
    }
  }
}

/**
 * For how long somebody else has had a command, by the broker's clock alone: the record is written again as it is, which
 * its owner takes for a write of its own, and the times at which it was stored are compared. A server that was killed may
 * have forgotten when it delivered a command, and deliver it again at once. Undefined when somebody has written meanwhile.
 */
async function look(
  { records }: ClaimParts,
  { token, codec, leaseEnd }: CommandRun,
  { record, revision, storedAt = 0 }: Kept,
): Promise<{ readonly heldForMs: number; readonly kept: Kept } | undefined> {
  const { startedAt = 0, updatedAt } = record!;
  const begunAt = storedAt - Math.max(0, updatedAt - startedAt);
  let written: number;
  try {
    written = await records.write(token, record!, revision, { codec, expiresAt: leaseEnd });
  } catch (error) {
    if (ConflictError.is(error)) return undefined;
    throw error;
  }
  const kept = await records.readAtHand(token);
  return kept.revision === written
    ? { heldForMs: (kept.storedAt ?? 0) - begunAt, kept }
    : undefined;
}

/** What is known of the record: of a command that comes for the first time, what its sender wrote. */
async function first({ records }: ClaimParts, run: CommandRun): Promise<Kept> {
  const revision = run.claimedBy === 1 ? Number(run.header(RECORD_HEADER)) : NaN;
  return Number.isInteger(revision) && revision > 0
    ? { record: pendingOf(run), revision }
    : await records.readAtHand(run.token);
}

function pendingOf({ command, service, handler }: CommandRun): CommandRecord {
  const { messageId: id, priority, maxRetries, timeoutMs } = command;
  const facts = { id, service, command: handler.command, priority, maxRetries, timeoutMs };
  return pendingRecord({ ...facts, createdAt: sentAt(command) }, undefined);
}

/**
 * The record of one that has none. Where there is one that nobody can read, how often it was tried nobody knows either, but
 * that it was delivered as often at least: it has what is left then, and one attempt in any case.
 */
function anew(run: CommandRun, fault: SerializationError | undefined): CommandRecord {
  const record = pendingOf(run);
  if (fault === undefined) return record;
  run.log.warn("The record of a command is damaged, and is written anew", { error: fault });
  const allowed = Math.min(record.maxRetries + 1, run.handler.settings.retry.attempts);
  return { ...record, attempts: Math.min(run.claimedBy, allowed) - 1 };
}

/** Whether the message is there that a record says is run; it may have been sent at another priority. */
async function isThere(
  { streams }: ClaimParts,
  { stream, sequence }: CommandRecord,
): Promise<boolean> {
  const stored = await streams.ports.store.read(stream!, sequence!, ">");
  return stored?.sequence === sequence;
}
