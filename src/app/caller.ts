// The caller: requests out, answers in, over one inbox and one timer for all calls of a bus.

import { againMessages } from "../domain/again.ts";
import { AegisError, ClosedError } from "../domain/error.ts";
import { HEADER } from "../domain/header.ts";
import { readResponse } from "../domain/message.ts";
import { OwnResults } from "../domain/own_message.ts";
import { rpcAgainSubject, rpcCancelSubject } from "../domain/subject.ts";
import type { Message, Subscription } from "../ports/messaging.ts";
import { Answer, Failure } from "./answer.ts";
import { Deadlines } from "./deadlines.ts";
import { Elections, type Leader } from "./elections.ts";
import type { Outgoing } from "./outgoing.ts";
import { Parking } from "./parking.ts";
import { codecOf, encodeRequest, type Runtime, textOf } from "./runtime.ts";

/** For how long after an outage services may still be coming back: twice the longest wait between their attempts, and more. */
const SETTLING_MS = 5_000;

/** For how long at least the slot of a call without an answer is not used again, in milliseconds. */
const REST_MS = 30_000;

/** Begins the last token of the reply subjects of questions who leads. */
const QUESTION = "~";

/** A leader that died is followed no sooner than after this time, in milliseconds. */
const SHORTEST_LEASE_MS = 100;

/** How many calls are worth a write of their own. */
const LEAST_GROUP = 32;

/** Sends requests and matches the answers. */
export class Caller {
  /** Who leads what. */
  readonly elections: Elections;
  readonly #runtime: Runtime;
  // By slot. No Map: under constant coming and going each of its tables keeps the next alive until a full collection.
  readonly #pending: (Outgoing | undefined)[] = [];
  readonly #deadlines: Deadlines<Outgoing>;
  readonly #prefix: string;
  // Reply subjects are used again: the server keeps routes of the last few hundred subjects at hand, and looks up each
  // new one the long way. The slot of a call that got no answer rests first, so that the server's late word that nobody
  // listens, which names no call, does not end another one.
  readonly #free: number[] = [];
  #resting: number[] = [];
  #rested: number[] = [];
  #restingSince = 0;
  #slots = 0;
  // Calls that follow from the answers of one read would all go out in one write, and the two sides would take turns: one
  // works while the other waits. So they go out in two groups, which are under way at different places.
  #unsent = 0;
  #group = LEAST_GROUP;
  readonly #own = new OwnResults();
  #inbox: Subscription | undefined;
  #inboxError: Error | undefined;
  readonly #parking: Parking;
  #returnedAt = -Infinity;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#parking = new Parking(runtime);
    this.elections = new Elections({
      runtime,
      ask: (subject, body, question) => {
        this.#open();
        runtime.transport.messaging.publish(subject, body, this.#prefix + QUESTION + question);
      },
      onFollowed: (service, leader, serves) => this.#followed(service, leader, serves),
    });
    this.#prefix = `${runtime.transport.messaging.inbox}.`;
    this.#deadlines = new Deadlines(
      runtime.clock,
      (pending) => this.#end(pending, new Failure("timeout"), false),
    );
    runtime.transport.messaging.onRefused?.((subject, error) => {
      this.elections.refused(subject);
      for (const pending of this.#deadlines.entries()) {
        if (pending.subject === subject) this.#end(pending, new Failure("refused", error), false);
      }
    });
    runtime.transport.onStatus((status) => {
      if (status === "connected") this.#returned();
      else this.#broken(status === "closed");
    });
  }

  /** How many calls wait for their answers. */
  get inFlight(): number {
    return this.#deadlines.size;
  }

  /** Whether the bus came back so lately that services may not have: nobody there means not yet. */
  isSettling(now: number): boolean {
    return now - this.#returnedAt < SETTLING_MS;
  }

  /** Waits until the bus is there, or a failure. */
  async whenConnected(
    expiresAt: number,
    signal: AbortSignal | undefined,
  ): Promise<Failure | undefined> {
    const parked = await this.#parking.whenConnected(expiresAt, signal);
    return parked === "connected" ? undefined : new Failure(parked, signal?.reason);
  }

  /** Sends a request at the moment `now`; resolves with its answer, or with the reason why there is none. */
  send(outgoing: Outgoing, now: number): Promise<Answer | Failure> {
    return new Promise((resolve) => {
      outgoing.resolve = resolve;
      outgoing.sentAt = now;
      const slot = outgoing.slot = this.#free.pop() ?? this.#slots++;
      try {
        this.#publish(outgoing, Math.max(1, outgoing.expiresAt - now));
      } catch (error) {
        this.#free.push(slot);
        // Away is a state to wait out; whatever else is wrong with the request is the caller's to know.
        const away = AegisError.is(error, "SERVICE_UNAVAILABLE");
        resolve(new Failure(away ? "away" : "unsendable", error));
        return;
      }
      this.#pending[slot] = outgoing;
      this.#deadlines.add(outgoing);
      if (++this.#unsent >= this.#group) this.#push();
      if (outgoing.signal !== undefined) this.#watch(outgoing, outgoing.signal);
    });
  }

  /** Ends every call that waits, and takes no more answers. */
  close(): void {
    this.#broken(true);
    this.#inboxError = new ClosedError("Cannot call: the bus is closed");
    void this.#inbox?.drain().catch(() => {
      // The bus is closing too, and its subscriptions with it.
    });
    this.#inbox = undefined;
  }

  #publish(outgoing: Outgoing, remainingMs: number): void {
    const { clock, random, codec, transport } = this.#runtime;
    const { method, service, source, params, traceId, traceparent, slot } = outgoing;
    outgoing.id = random.uuid();
    const body = encodeRequest(codec, {
      messageId: outgoing.id,
      traceId,
      correlationId: null,
      timestamp: clock.timestamp(),
      source,
      target: service,
      method,
      params,
      timeoutMs: remainingMs,
    });
    const headers: Record<string, string> = {
      [HEADER.deadline]: String(Math.ceil(clock.now() + remainingMs)),
    };
    if (traceparent !== undefined) headers[HEADER.traceparent] = traceparent;
    if (outgoing.headers !== undefined) Object.assign(headers, outgoing.headers);
    this.#open();
    transport.messaging.publish(outgoing.subject, body, this.#prefix + slot, headers);
  }

  #push(): void {
    this.#unsent = 0;
    this.#group = Math.max(LEAST_GROUP, this.#group * 0.9, this.#deadlines.size / 2);
    this.#runtime.transport.messaging.push?.();
  }

  #open(): void {
    if (this.#inboxError !== undefined) throw this.#inboxError;
    this.#inbox ??= this.#runtime.transport.messaging.subscribe(`${this.#prefix}*`, {
      onMessage: (message) => this.#receive(message),
      onError: (error) => {
        this.#inbox = undefined;
        this.#inboxError = error;
        this.elections.interrupt();
        for (const pending of this.#deadlines.entries()) {
          this.#end(pending, new Failure("unreceivable", error), false);
        }
      },
    });
  }

  #receive(message: Message): void {
    const token = message.subject.slice(this.#prefix.length);
    const pending = this.#pending[Number(token)];
    if (pending === undefined) {
      if (token.startsWith(QUESTION)) this.elections.answered(Number(token.slice(1)), message);
      return;
    }
    if (this.#runtime.transport.messaging.isNoResponders(message)) {
      this.#end(pending, new Failure("nobody"), true);
      return;
    }
    let answer: Answer | undefined;
    try {
      answer = this.#read(message, pending.id);
    } catch (error) {
      this.#end(pending, new Failure("unreadable", error), true);
      return;
    }
    if (answer !== undefined) this.#end(pending, answer, true);
  }

  /** The answer to call `id`; undefined when it answers an earlier call that used the same slot, and has come twice. */
  #read(message: Message, id: string): Answer | undefined {
    const codec = codecOf(this.#runtime, message);
    const text = textOf(codec, message);
    const own = text === undefined ? undefined : this.#own.read(text, id);
    if (own !== undefined) return new Answer(message, true, own.result, null);
    const response = readResponse(codec.decode(message.data), this.#runtime.fresh);
    if (response.correlationId !== null && response.correlationId !== id) return undefined;
    if (text !== undefined && response.success) {
      this.#own.learn(text, response.source, response.target);
    }
    return new Answer(message, response.success, response.result, response.error);
  }

  #end(pending: Outgoing, outcome: Answer | Failure, answered: boolean): void {
    this.#pending[pending.slot] = undefined;
    this.#deadlines.remove(pending);
    if (answered) this.#free.push(pending.slot);
    else this.#rest(pending.slot);
    if (pending.onAbort !== undefined) {
      pending.signal?.removeEventListener("abort", pending.onAbort);
    }
    pending.resolve?.(outcome);
  }

  #rest(slot: number): void {
    const now = this.#runtime.clock.monotonic();
    if (now - this.#restingSince >= REST_MS) {
      for (const rested of this.#rested) this.#free.push(rested);
      this.#rested = this.#resting;
      this.#resting = [];
      this.#restingSince = now;
    }
    this.#resting.push(slot);
  }

  #watch(pending: Outgoing, signal: AbortSignal): void {
    pending.onAbort = () => {
      this.#end(pending, new Failure("aborted", signal.reason), false);
      try {
        this.#runtime.transport.messaging.publish(
          rpcCancelSubject(pending.service),
          pending.id,
        );
      } catch {
        // While the bus is away nobody can be told; the handler stops when the deadline is over.
      }
    };
    signal.addEventListener("abort", pending.onAbort);
  }

  /** What the former leader of a service had in hand it may have taken with it: what can be sent again goes to the new one. */
  #followed(service: string, leader: Leader, serves: (method: string) => boolean): void {
    const before = this.#runtime.clock.monotonic() - SHORTEST_LEASE_MS;
    for (const pending of this.#deadlines.entries()) {
      if (pending.service !== service || !pending.repeatable) continue;
      const former = pending.leader;
      const isFormers = former === undefined
        // What went by the queue group since then the new one has itself.
        ? serves(pending.method) && pending.sentAt <= before
        : former.group === leader.group && former !== leader;
      if (isFormers) this.#end(pending, new Failure("followed"), false);
    }
  }

  #returned(): void {
    this.#returnedAt = this.#runtime.clock.monotonic();
    // What this user was not allowed to receive it may be now; only a bus that is closed remains so.
    if (!AegisError.is(this.#inboxError, "CLOSED")) this.#inboxError = undefined;
    this.elections.returned();
    this.#askAgain();
    this.#parking.wake();
  }

  /** Asks services for the answers that were sent while nobody was here to take them. */
  #askAgain(): void {
    const waiting = this.#deadlines.entries().map(({ service, id, slot }) => (
      { service, id, reply: this.#prefix + slot }
    ));
    try {
      for (const [service, body] of againMessages(waiting)) {
        this.#runtime.transport.messaging.publish(rpcAgainSubject(service), body);
      }
    } catch {
      // Away again: the next return asks for all of them.
    }
  }

  #broken(closed: boolean): void {
    for (const pending of this.#deadlines.entries()) {
      if (closed) this.#end(pending, new Failure("closed"), false);
      else if (pending.repeatable) this.#end(pending, new Failure("lost"), false);
    }
    this.elections.interrupt();
    if (closed) this.#parking.wake();
  }
}
