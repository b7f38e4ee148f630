// Listening: how long a request may have lain about unheard, while this process was busy or stood still.

import { HEADER } from "../domain/header.ts";
import { Lateness } from "../domain/lateness.ts";
import type { RpcRequest } from "../domain/message.ts";
import type { Timer } from "../ports/clock.ts";
import type { Message } from "../ports/messaging.ts";
import type { Runtime } from "./runtime.ts";

/** How often the process notes that it is listening, in milliseconds: while requests come, and while it is quiet. */
const BUSY_MS = 20;
const QUIET_MS = 100;
/** For how long after a request it is not quiet yet, in milliseconds. */
const BUSY_FOR_MS = 1_000;
/** A timer that is later than this shows that the process stood still. */
const LATE_MS = 20;
/** For how long after it stood still what is heard may have lain about, in milliseconds. */
const SUSPECT_MS = 50;
/** For how long after it stood still another standstill that follows at once is one with it, in milliseconds. */
const TOGETHER_MS = 1_000;

/** By how much the process was late at most, in milliseconds; whoever reads it sets it back. */
export interface LateMeter {
  lateMs: number;
}

/**
 * Notes when this process listens, and tells the age of what arrives after it did not. One for all services of a bus:
 * the timer that it needs runs while one of them is up.
 *
 * That nothing was heard for a while says nothing, since nothing may have come. That the timer is late does.
 */
export class Listening {
  readonly #runtime: Runtime;
  readonly #lateness = new Lateness();
  #services = 0;
  /** When the last request was heard. */
  #heardAt = -Infinity;
  /** When the timer was set, and when it is due. */
  #setAt = 0;
  #dueAt = 0;
  #timer: Timer | undefined;
  #isBusy = false;
  readonly #meters = new Set<LateMeter>();
  /** When it listened last before it stood still, and when the timer was due that showed it. */
  #stoodSince = 0;
  #stoodDueAt = 0;
  #suspectUntil = -Infinity;
  #togetherUntil = -Infinity;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Begins for one service. */
  start(): void {
    if (this.#services++ > 0) return;
    // What was before it began does not count.
    this.#dueAt = this.#runtime.clock.monotonic();
    this.#note();
  }

  /** Ends for one service that had begun. */
  stop(): void {
    if (--this.#services > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** Keeps a meter up to date, until what it returns is called. */
  watch(meter: LateMeter): () => void {
    this.#meters.add(meter);
    return () => this.#meters.delete(meter);
  }

  /** How long before `now`, the moment at which it is heard, a request arrived, in milliseconds. */
  age(message: Message, request: RpcRequest, now: number): number {
    this.#look(now);
    // The first request after a while: from now on it is noted more often.
    if (!this.#isBusy && now <= this.#dueAt) this.#set(true, now);
    this.#heardAt = now;
    return now > this.#suspectUntil ? 0 : this.#ageOf(message, request, now);
  }

  #ageOf(message: Message, request: RpcRequest, now: number): number {
    const { clock, transport } = this.#runtime;
    const deadline = Number(transport.messaging.header(message, HEADER.deadline));
    if (!Number.isFinite(deadline) || message.reply === undefined) return 0;
    const sender = message.reply.slice(0, message.reply.lastIndexOf("."));
    const since = this.#stoodSince;
    const most = now - since;
    const least = Math.min(most, now - this.#stoodDueAt);
    const sentAt = deadline - request.timeoutMs;
    return this.#lateness.observe(sender, sentAt, clock.now(), { since, least, most });
  }

  /** Looks whether it has stood still. */
  #look(now: number): void {
    if (now - this.#dueAt <= LATE_MS) return;
    // Before all that waited can have been heard, it is one and the same standstill.
    if (this.#setAt > Math.min(this.#suspectUntil, this.#togetherUntil)) {
      this.#stoodSince = Math.max(this.#heardAt, this.#setAt);
      this.#stoodDueAt = this.#dueAt;
      this.#togetherUntil = now + TOGETHER_MS;
    }
    this.#suspectUntil = now + SUSPECT_MS;
  }

  #note(): void {
    const { clock, transport } = this.#runtime;
    // A bus that was closed under a service must not keep the process.
    if (transport.status === "closed") return;
    const now = clock.monotonic();
    for (const meter of this.#meters) meter.lateMs = Math.max(meter.lateMs, now - this.#dueAt);
    this.#look(now);
    this.#set(now - this.#heardAt < BUSY_FOR_MS, now);
  }

  #set(isBusy: boolean, now: number): void {
    const ms = isBusy ? BUSY_MS : QUIET_MS;
    this.#timer?.cancel();
    this.#isBusy = isBusy;
    this.#setAt = now;
    this.#dueAt = now + ms;
    // What is routed here late must not keep the process.
    if (this.#services > 0) {
      this.#timer = this.#runtime.clock.setTimer(ms, () => this.#note());
    }
  }
}
