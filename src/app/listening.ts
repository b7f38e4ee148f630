// Listening: how long a request may have lain about unheard, while this process was busy or stood still.

import { HEADER } from "../domain/header.ts";
import { Lateness } from "../domain/lateness.ts";
import type { RpcRequest } from "../domain/message.ts";
import type { Timer } from "../ports/clock.ts";
import type { Message } from "../ports/messaging.ts";
import type { Runtime } from "./runtime.ts";

/** How often the process notes that it is listening. */
const LISTENING_MS = 250;
/** Beyond this time of not listening, a request may have lain about, and its age is looked into. */
const UNHEARD_MS = 20;

/**
 * Notes when this process listens, and tells the age of what arrives after it did not. One for all services of a bus:
 * the timer that it needs runs while one of them is up.
 */
export class Listening {
  readonly #runtime: Runtime;
  readonly #lateness = new Lateness();
  #services = 0;
  #heardAt = 0;
  #timer: Timer | undefined;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Begins for one service. */
  start(): void {
    if (this.#services++ === 0) this.#note();
  }

  /** Ends for one service that had begun. */
  stop(): void {
    if (--this.#services > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** How long before `now`, the moment at which it is heard, a request arrived, in milliseconds. */
  age(message: Message, request: RpcRequest, now: number): number {
    const unheard = now - this.#heardAt;
    this.#heardAt = now;
    if (unheard <= UNHEARD_MS) return 0;
    const { clock, transport } = this.#runtime;
    const deadline = Number(transport.messaging.header(message, HEADER.deadline));
    if (!Number.isFinite(deadline) || message.reply === undefined) return 0;
    const sender = message.reply.slice(0, message.reply.lastIndexOf("."));
    return this.#lateness.observe(sender, deadline - request.timeoutMs, clock.now(), unheard);
  }

  #note(): void {
    const { clock, transport } = this.#runtime;
    // A bus that was closed under a service must not keep the process.
    if (transport.status === "closed") return;
    this.#heardAt = clock.monotonic();
    this.#timer = clock.setTimer(LISTENING_MS, () => this.#note());
  }
}
