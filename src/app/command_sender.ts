// The sender: commands into the work queues of services, each with its record before it.

import { type CommandMessage, sentAt } from "../domain/command.ts";
import { tokenOf } from "../domain/command_id.ts";
import {
  assertCommandName,
  commandSubject,
  DELAY_HEADER,
  dueDurable,
  dueSubject,
  RECORD_HEADER,
  TOKEN_HEADER,
  waitingSubject,
} from "../domain/command_subject.ts";
import { AegisError, TimeoutError, UnavailableError } from "../domain/error.ts";
import { HEADER, newTraceparent, traceIdOf, traceparentOf } from "../domain/header.ts";
import { assertShape } from "../domain/shape.ts";
import { assertServiceName } from "../domain/subject.ts";
import type { BusStreams } from "./bus_streams.ts";
import { checkSendOptions, commandPayload } from "./command_input.ts";
import { Look } from "./command_look.ts";
import { openRecord } from "./command_open.ts";
import type { CommandRecords } from "./command_records.ts";
import type { Tracked } from "./command_tracked.ts";
import type { CommandTracker } from "./command_tracker.ts";
import { SEND_DEFAULTS, type SendOptions } from "./command_types.ts";
import { Measures } from "./measures.ts";
import type { Parking } from "./parking.ts";
import { unless } from "./pause.ts";
import type { Sender } from "./context.ts";
import { encodeCommand, type Runtime } from "./runtime.ts";
import type { CallSpan } from "./spans.ts";
import { store } from "./storing.ts";

const NO_OPTIONS: SendOptions = Object.freeze({});
/** How long it may take until a command is stored, in milliseconds, all attempts together. */
const SEND_MS = 5_000;
/** How many commands are named once; there are as many as programs know. */
const MAX_TARGETS = 10_000;

/** A command of a service that is sent to: checked and named once. */
interface Target {
  readonly service: string;
  readonly command: string;
  readonly measures: Measures;
  readonly look: Look;
}

/** Sends the commands of one bus. */
export class CommandSender {
  readonly #runtime: Runtime;
  readonly #streams: BusStreams;
  readonly #parking: Parking;
  readonly #tracker: CommandTracker;
  readonly #records: CommandRecords;
  readonly #targets = new Map<string, Target>();

  constructor(
    runtime: Runtime,
    streams: BusStreams,
    parking: Parking,
    tracker: CommandTracker,
    records: CommandRecords,
  ) {
    this.#runtime = runtime;
    this.#streams = streams;
    this.#parking = parking;
    this.#tracker = tracker;
    this.#records = records;
  }

  /** Sends a command; resolves when it is stored. It rejects also with what is wrong with the arguments. */
  async send(
    sender: Sender,
    service: string,
    command: string,
    payload: unknown = {},
    options: SendOptions = NO_OPTIONS,
  ): Promise<Tracked> {
    const target = this.#target(service, command);
    if (options !== NO_OPTIONS) checkSendOptions(options);
    const plain = commandPayload(payload, service, command);
    options.signal?.throwIfAborted();
    const { spans, clock } = this.#runtime;
    const { origin } = sender;
    const span = spans?.startCommand("producer", service, command, origin?.traceparent);
    const startedAt = clock.monotonic();
    try {
      const sending = this.#send(sender, target, plain, options, span, startedAt);
      const { signal } = options;
      // It goes on by itself where it may be sent already; nobody waits for what comes of that.
      if (signal !== undefined) sending.catch(() => undefined);
      const tracked = await (signal === undefined ? sending : unless(signal, sending));
      target.measures.succeeded(clock.monotonic() - startedAt);
      span?.end();
      return tracked;
    } catch (error) {
      target.measures.failed(
        AegisError.is(error) ? error.code : "error",
        clock.monotonic() - startedAt,
      );
      span?.end(error);
      throw error;
    }
  }

  #target(service: string, command: string): Target {
    const key = `${service}.${command}`;
    let target = this.#targets.get(key);
    if (target !== undefined) return target;
    assertServiceName(service);
    assertCommandName(command);
    const measures = new Measures(this.#runtime, "send", { service, command });
    target = {
      service,
      command,
      measures,
      look: new Look(this.#runtime, this.#streams, service, command),
    };
    if (this.#targets.size >= MAX_TARGETS) this.#targets.clear();
    this.#targets.set(key, target);
    return target;
  }

  async #send(
    sender: Sender,
    target: Target,
    payload: Readonly<Record<string, unknown>>,
    options: SendOptions,
    span: CallSpan | undefined,
    startedAt: number,
  ): Promise<Tracked> {
    const { runtime, stamp } = { runtime: this.#runtime, stamp: sender.stamp };
    const { service, command } = target;
    const { priority = "normal", maxRetries = SEND_DEFAULTS.maxRetries, delayMs = 0 } = options;
    const { timeoutMs = SEND_DEFAULTS.timeoutMs } = options;
    const { origin, source } = sender;
    const id = options.id ?? this.#tracker.nextId();
    const token = options.id === undefined ? id : tokenOf(id);
    const traceId = (span?.traceparent === undefined ? undefined : traceIdOf(span.traceparent)) ??
      origin?.traceId ?? runtime.random.traceId();
    const message: CommandMessage = {
      messageId: id,
      traceId,
      correlationId: origin?.messageId ?? null,
      timestamp: runtime.clock.timestamp(),
      source,
      target: service,
      command,
      payload,
      priority,
      maxRetries,
      timeoutMs,
    };
    const body = encodeCommand(runtime.codec, message);
    // What no instance would read is not sent.
    assertShape(payload, 2);
    const expiresAt = Math.min(startedAt + SEND_MS, origin?.expiresAt ?? Infinity);
    const { signal } = options;
    if (!target.look.known) await this.#prepare(target, stamp, expiresAt, signal);
    const tracked = this.#tracker.track(token, { id, service, command }, options.id === undefined);
    const createdAt = sentAt(message);
    const facts = { id, service, command, priority, maxRetries, timeoutMs, createdAt };
    const dueAt = delayMs > 0 ? createdAt + delayMs : undefined;
    if (delayMs > 0) await this.#assertKept(delayMs);
    const { codec } = runtime;
    try {
      const opened = await openRecord(this.#records, token, facts, dueAt, {
        codec,
        expiresAt,
        signal,
      });
      const { revision, fresh, record } = opened;
      if (record !== undefined) this.#tracker.known(tracked, record);
      if (revision === undefined) return tracked;
      // Of one that was sent before the first sending says when it is due.
      const waitMs = fresh ? delayMs : Math.max(0, (record?.dueAt ?? 0) - runtime.clock.now());
      const headers: Record<string, string> = {
        // Whoever sends the same again while it waits has the same one; after its record was removed it is another.
        "Nats-Msg-Id": `${token}:${revision}`,
        [RECORD_HEADER]: String(revision),
      };
      const traceparent = span?.traceparent ??
        (origin === undefined
          ? newTraceparent(traceId, runtime.random.spanId())
          : traceparentOf(traceId, runtime.random.spanId(), origin.traceparent));
      if (traceparent !== undefined) headers[HEADER.traceparent] = traceparent;
      await this.#enqueue(target, message, token, body, headers, { delayMs: waitMs, signal }, {
        stamp,
        expiresAt,
      }).catch(async (error) => {
        // Where it is certain that it is not stored nothing is left of it, so that it may be sent again.
        const certain = AegisError.is(error) && error.details.sent !== true;
        if (fresh && certain) await this.#records.remove(token, revision).catch(() => undefined);
        throw error;
      });
      return tracked;
    } catch (error) {
      this.#tracker.forget(tracked);
      throw error;
    }
  }

  /** A record is kept for as long as the command waits, or nobody could cancel it. @throws {RangeError} where it is not. */
  async #assertKept(delayMs: number): Promise<void> {
    const keptMs = await this.#records.maxAgeMs();
    if (keptMs === 0 || delayMs < keptMs) return;
    throw new RangeError(
      `Cannot use ${delayMs} as option "delayMs" of send(): records of commands are kept for ${keptMs} ms, and this one would be gone before its command begins; keep them longer with connect({ streams: { commandRecords: { maxAgeMs } } })`,
    );
  }

  /** Has the queue ready, and looks whether anybody serves the command. */
  async #prepare(
    { service, command, look }: Target,
    stamp: Sender["stamp"],
    expiresAt: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const refusal = await store(this.#runtime, this.#parking, {
      what: `send ${command} to ${service}`,
      expiresAt,
      signal,
      attempt: async () => {
        try {
          return await look.look(await this.#streams.name(`commands.${service}`, stamp));
        } catch (error) {
          // A user may send and not ask for streams. Of what could not be asked nothing was sent.
          if (AegisError.is(error, "PERMISSION_DENIED")) return undefined;
          throw UnavailableError.is(error) || TimeoutError.is(error) ? notSent(error) : error;
        }
      },
    });
    if (refusal !== undefined) throw refusal;
  }

  async #enqueue(
    { service, command, look }: Target,
    { priority }: CommandMessage,
    token: string,
    body: string | Uint8Array,
    headers: Record<string, string>,
    { delayMs, signal }: { readonly delayMs: number; readonly signal: AbortSignal | undefined },
    { stamp, expiresAt }: { readonly stamp: Sender["stamp"]; readonly expiresAt: number },
  ): Promise<void> {
    const { store: stream } = this.#streams.ports;
    const queue = `commands.${service}` as const;
    const subject = commandSubject(service, command, look.isOriginal ? "normal" : priority);
    // Decided once: two streams would not know of each other that they have the same command.
    let later: boolean | undefined = delayMs > 0 && stream.publishLater !== undefined
      ? undefined
      : false;
    const dueAt = this.#runtime.clock.now() + delayMs;
    await store(this.#runtime, this.#parking, {
      what: `send ${command} to ${service}`,
      expiresAt,
      signal,
      attempt: async (withinMs) => {
        later ??= await this.#hasLater(service, stamp);
        if (delayMs > 0 && !later) headers[DELAY_HEADER] = String(Math.ceil(delayMs));
        return await (later
          ? stream.publishLater!(
            waitingSubject(service, command, priority, token),
            dueSubject(service, command, priority),
            dueAt,
            body,
            { ...headers, [TOKEN_HEADER]: headers["Nats-Msg-Id"]! },
            withinMs,
          )
          : stream.publish(subject, body, headers, withinMs));
      },
      renew: () => this.#streams.renewed(later ? "later" : queue, stamp),
    });
  }

  /** Whether an instance moves what is due: until one has ever been there, the first one hands back what is to wait. */
  async #hasLater(service: string, stamp: Sender["stamp"]): Promise<boolean> {
    const { admin } = this.#streams.ports;
    try {
      const stream = await this.#streams.name("later", stamp);
      return await admin.consumer(stream, dueDurable(service)) !== undefined;
    } catch (error) {
      throw UnavailableError.is(error) || TimeoutError.is(error) ? notSent(error) : error;
    }
  }
}

function notSent(cause: AegisError): UnavailableError {
  return new UnavailableError(cause.message, { cause, details: { sent: false } });
}
