// One command in the hands of an instance: what its handler sees of it, and until when it is this instance's.

import type { CommandMessage } from "../domain/command.ts";
import { type CommandRecord, progressOf, type ProgressStep } from "../domain/command_record.ts";
import { type CommandOutcome, commandOutcome, handoverOutcome } from "../domain/command_outcome.ts";
import { HEADER } from "../domain/header.ts";
import type { Expiring } from "../domain/timer_wheel.ts";
import type { Codec } from "../ports/codec.ts";
import type { Logger } from "../ports/logger.ts";
import type { Delivery } from "../ports/stream.ts";
import type { CommandHandler } from "./command.ts";
import type { Cancel } from "./command_cancels.ts";
import { ackWaitAt, leaseOf } from "./command_lease.ts";
import { keptBy, type RunParts, type RunSource } from "./command_run_parts.ts";
import type { CommandProgress } from "./command_progress.ts";
import type { Context, Origin, Outbound } from "./context.ts";
import type { Handled } from "./handler_context.ts";
import { watched } from "./watched_signal.ts";

/** Where a command at hand stands here. */
export type RunStage = "claiming" | "running" | "ending" | "over";

/** A command in hand. */
export class CommandRun implements Origin, Handled, Expiring {
  /** By which delivery it was claimed. */
  readonly claimedBy: number;
  readonly handler: CommandHandler;
  /** Which queue it came from. */
  readonly queue: number;
  /** The stream that it came from. */
  readonly stream: string;
  readonly command: CommandMessage;
  /** Its id as tokens of a subject. */
  readonly token: string;
  /** The encoding that it came in, and that its record and what is told of it have. */
  readonly codec: Codec;
  stage: RunStage = "claiming";
  /** Its latest delivery, which has its words. */
  delivery: Delivery;
  /** Its record, as this instance wrote it last, or would write it. */
  record: CommandRecord | undefined = undefined;
  /** The revision of that. */
  revision = 0;
  /** When its handler began, in monotonic milliseconds. */
  begunAt = 0;
  /** Since when it is its instance's for a lease, in monotonic milliseconds; the server has not been heard to know more. */
  lentAt: number;
  /** When the server last said that it has heard of it, and since when it was its instance's by what it had heard well before. */
  heardAt: number = -Infinity;
  lentBefore: number = -Infinity;
  /** Whether the server was told anything since its latest delivery. */
  told = false;
  /** When the server was last told that it is in work, or delivered it. */
  wordAt: number;
  /** What it could do with its time when the attempt began. */
  expiresAt: number = Infinity;
  slot = 0;
  wheelPrevious: Expiring | undefined = undefined;
  wheelNext: Expiring | undefined = undefined;
  /** The `traceparent` of the span that its handler runs in, where there is tracing. */
  span: string | undefined = undefined;
  /** What an attempt before this one came to. */
  lastProgress: ProgressStep | undefined = undefined;
  /** Who tells how far it is. */
  progress: CommandProgress | undefined = undefined;
  /** That somebody has taken it back while it was being claimed, as its record says by now. */
  takenBack: Cancel | undefined = undefined;
  /** Ends the attempt when its lease turns out to be over; set while it runs. */
  onLost: (() => void) | undefined = undefined;
  /** That of the leadership in which it began, where the leader alone runs it. */
  #fencingToken: number | undefined = undefined;
  readonly #parts: RunParts;
  readonly #source: RunSource;
  #ackWaitMs = Infinity;
  #controller: AbortController | undefined = undefined;
  #aborted = false;
  #abortReason: unknown = undefined;
  #outbound: Outbound | undefined = undefined;
  #log: Logger | undefined = undefined;

  constructor(
    parts: RunParts,
    handler: CommandHandler,
    queue: number,
    source: RunSource,
    delivery: Delivery,
    read: { readonly command: CommandMessage; readonly token: string; readonly codec: Codec },
    sentAt: number,
  ) {
    this.#parts = parts;
    this.handler = handler;
    this.queue = queue;
    this.#source = source;
    this.stream = source.stream;
    this.delivery = delivery;
    this.claimedBy = delivery.attempt;
    this.command = read.command;
    this.token = read.token;
    this.codec = read.codec;
    this.wordAt = sentAt;
    this.lentAt = sentAt;
  }

  /** The ack wait that it is kept by, in milliseconds: its handler's, or the server's where that is shorter. */
  get ackWaitMs(): number {
    // It never becomes longer: what was over once stays so.
    return this.#ackWaitMs = Math.min(this.#ackWaitMs, keptBy(this.handler, this.#source));
  }

  /** Until when nobody else can have it, in monotonic milliseconds. */
  get leaseEnd(): number {
    return this.lentAt + leaseOf(this.ackWaitMs);
  }

  /** For how long another instance may have it that was not heard of, in milliseconds: its handler's ack wait may be longer. */
  get longestLeaseMs(): number {
    return leaseOf(ackWaitAt(this.#source.ackWaitMs));
  }

  get service(): string {
    return this.#parts.service;
  }

  get instanceId(): string {
    return this.#parts.instanceId;
  }

  get attempt(): number {
    return this.record?.attempts ?? 1;
  }

  /** How long its handler has run, in milliseconds. */
  get tookMs(): number {
    return this.#parts.runtime.clock.monotonic() - this.begunAt;
  }

  /** How long an attempt may take, in milliseconds: as the sender allows, and the handler. */
  get timeoutMs(): number {
    return Math.min(this.command.timeoutMs, this.handler.settings.timeoutMs);
  }

  get fencingToken(): number | undefined {
    return this.#fencingToken ?? this.#parts.leading?.token;
  }

  /** Whether it may begin here: where the leader alone runs it, in this leadership. */
  mayBegin(): boolean {
    if (!this.handler.settings.exclusive) return true;
    this.#fencingToken = this.#parts.leading?.token;
    return this.#fencingToken !== undefined;
  }

  /** Whether what its handler comes to is taken: of what the leader alone runs, while it is the leader that it began by. */
  get isOurs(): boolean {
    return !this.handler.settings.exclusive || this.#parts.leading?.token !== undefined;
  }

  /** Whether it lost its leadership as this process stood still, of which it may be the cause. */
  get isSuspect(): boolean {
    return this.handler.settings.exclusive && this.#parts.leading?.stoodStill === true;
  }

  get deadline(): number {
    const { clock } = this.#parts.runtime;
    return this.expiresAt === Infinity ? Infinity : clock.now() + this.remainingMs;
  }

  get remainingMs(): number {
    return Math.max(0, this.expiresAt - this.#parts.runtime.clock.monotonic());
  }

  get message(): Context["message"] {
    return this.command;
  }

  get traceId(): string {
    return this.command.traceId;
  }

  get messageId(): string {
    return this.command.messageId;
  }

  get traceparent(): string | undefined {
    return this.span ?? this.header(HEADER.traceparent);
  }

  /** Whether nobody waits for this attempt any more. */
  get isAborted(): boolean {
    return this.#aborted;
  }

  get abortReason(): unknown {
    return this.#abortReason;
  }

  get signal(): AbortSignal {
    this.checkLease();
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      watched(this.#controller.signal, () => this.checkLease());
      if (this.#aborted) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get log(): Logger {
    return this.#log ??= this.#parts.runtime.logger.with({
      service: this.service,
      instance: this.instanceId,
      command: this.handler.command,
      id: this.messageId,
      trace: this.traceId,
    });
  }

  get outbound(): Outbound {
    return this.#outbound ??= this.#parts.outboundFrom(this);
  }

  /** A header by its exact name; a function of its own, so that it can be taken out of the context. */
  get header(): (name: string) => string | undefined {
    return (name) => this.#parts.runtime.transport.messaging.header(this.delivery.message, name);
  }

  /** It came here again, since its consumer was made anew or its server has forgotten: then nobody else has it. */
  cameAgain(delivery: Delivery, sentAt: number): void {
    this.delivery = delivery;
    this.told = false;
    if (this.#parts.runtime.clock.monotonic() >= this.leaseEnd) return;
    this.lentAt = Math.max(this.lentAt, sentAt);
    this.wordAt = Math.max(this.wordAt, sentAt);
  }

  /** What becomes of it after an attempt that failed with `error`; where it has failed for good, the error that says why. */
  outcome(
    error: unknown,
  ):
    | { readonly kind: "failed"; readonly error: unknown }
    | Exclude<CommandOutcome, { kind: "failed" }> {
    const { maxRetries } = this.command;
    const { retry } = this.handler.settings;
    try {
      const random = this.#parts.runtime.random.next();
      const outcome = commandOutcome(retry, error, this.attempt, maxRetries, random);
      return outcome.kind === "failed" ? { kind: "failed", error } : outcome;
    } catch (fault) {
      // A policy that throws must not keep a command in hand for ever.
      return { kind: "failed", error: fault };
    }
  }

  /** What becomes of it after an attempt that its instance has cut short. */
  handover(): ReturnType<typeof handoverOutcome> {
    const { retry } = this.handler.settings;
    const random = this.#parts.runtime.random.next();
    const record = { ...this.record!, maxRetries: this.command.maxRetries };
    return handoverOutcome(retry, record, this.isSuspect, random);
  }

  /** Takes what the record of an earlier attempt holds. */
  resume(record: CommandRecord): void {
    this.lastProgress = progressOf(record);
  }

  /** Ends the attempt if its lease is over, or the leadership: another instance may begin from now on. */
  checkLease(): void {
    // Whoever is asked finds out whether it is over, and ends what has begun in it.
    if (this.handler.settings.exclusive) void this.#parts.leading?.token;
    if (this.stage === "running" && this.#parts.runtime.clock.monotonic() >= this.leaseEnd) {
      this.onLost?.();
    }
  }

  /** Tells the handler that it is waited for no longer. */
  abort(reason: unknown): void {
    if (this.#aborted) return;
    this.#aborted = true;
    this.#abortReason = reason;
    this.#controller?.abort(reason);
  }
}
