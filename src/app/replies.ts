// Replies that outlast an outage: what was answered while the bus was away, or just before it was noticed, is sent again.

import { readAgain } from "../domain/again.ts";
import { AegisError } from "../domain/error.ts";
import { FlatCopies } from "../domain/flat.ts";
import type { Message, Subscription } from "../ports/messaging.ts";
import type { Runtime } from "./runtime.ts";

interface Reply {
  readonly subject: string;
  readonly body: string | Uint8Array;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly expiresAt: number;
  /** Under which number it was sent last while it was kept; none as long as it was not. */
  number: number;
}

/** How many of the last answers are kept at hand, and how many units of text or bytes of them in all. */
const MAX_RECENT = 512;
const MAX_RECENT_SIZE = 1024 * 1024;
/** How many reply subjects are known at once. */
const MAX_SUBJECTS = 8_192;
/** How many answers wait for the bus to come back, and how many units of text or bytes of them in all. */
const MAX_KEPT = 10_000;
const MAX_KEPT_SIZE = 64 * 1024 * 1024;
/** How long to wait for the server's word that the caller is not there yet, and before trying it again. */
const RETRY_MS = 200;
/** How often it is looked whether all answers are sent, by who waits for that. */
const LOOK_MS = 20;

/**
 * Sends answers. A server forgets what it was sent for a client that is not there, and a dying connection swallows what
 * was written to it last. So the last answers are remembered. A caller whose connection broke asks for its own when it is
 * back. When the connection of this side broke, those whose callers may still wait go out again: as requests, since the
 * server then says so when a caller is not back yet, and they are sent once more. A caller that had its answer ignores the
 * second one.
 */
export class Replies {
  readonly #runtime: Runtime;
  readonly #service: string;
  readonly #recent: (Reply | undefined)[] = [];
  /** Callers use their reply subjects again: a copy of each is made once. */
  readonly #subjects = new FlatCopies(MAX_SUBJECTS);
  #next = 0;
  #size = 0;
  readonly #kept = new Map<number, Reply>();
  #keptSize = 0;
  #dropped = 0;
  #number = 0;
  /** Of those kept, which the server said in time that it could not hand over. */
  readonly #missedNumbers = new Set<number>();
  #inbox: Subscription | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(runtime: Runtime, service: string) {
    this.#runtime = runtime;
    this.#service = service;
  }

  /** Listens to what becomes of the connection. */
  open(): void {
    this.#unsubscribe ??= this.#runtime.transport.onStatus((status) => {
      if (status === "connected") this.#resend();
    });
  }

  /**
   * Sends an answer, now or when the bus is back.
   *
   * @throws {SerializationError} when it is too large.
   */
  send(
    subject: string,
    body: string | Uint8Array,
    headers: Readonly<Record<string, string>> | undefined,
    expiresAt: number,
  ): void {
    // The subject may be a piece of all that was read from the socket with the request.
    const reply = { subject: this.#subjects.of(subject), body, headers, expiresAt, number: -1 };
    try {
      this.#runtime.transport.messaging.publish(subject, body, undefined, headers);
      this.#remember(reply);
    } catch (error) {
      if (AegisError.is(error, "CLOSED")) return;
      if (!AegisError.is(error, "SERVICE_UNAVAILABLE")) throw error;
      this.#keep(reply);
    }
  }

  /** Sends the answers again that a caller asks for whose connection broke while it waited for them. */
  again(message: Message): void {
    const calls = readAgain(message.data);
    for (const reply of this.#recent) if (reply !== undefined) this.#sendAgain(reply, calls);
    for (const reply of this.#kept.values()) this.#sendAgain(reply, calls);
  }

  /** How many answers wait for the bus, or for the server's word that their callers are there. */
  get kept(): number {
    return this.#kept.size;
  }

  /** Resolves when no answer waits any more whose caller may still want it, or the bus is closed. */
  async whenSent(): Promise<void> {
    const { clock, transport } = this.#runtime;
    while (transport.status !== "closed") {
      const now = clock.monotonic();
      for (const [number, { expiresAt }] of this.#kept) if (expiresAt <= now) this.#forget(number);
      if (this.#kept.size === 0) return;
      await new Promise<void>((resolve) => clock.setTimer(LOOK_MS, resolve));
    }
  }

  /** Forgets everything. */
  close(): void {
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#kept.clear();
    this.#keptSize = 0;
    this.#missedNumbers.clear();
    this.#recent.length = 0;
    this.#size = 0;
    void this.#inbox?.drain().catch(() => {
      // The bus is closing too, and its subscriptions with it.
    });
    this.#inbox = undefined;
  }

  #remember(reply: Reply): void {
    const size = reply.body.length;
    if (size > MAX_RECENT_SIZE || reply.expiresAt === 0) return;
    const index = this.#next % MAX_RECENT;
    this.#size += size - (this.#recent[index]?.body.length ?? 0);
    this.#recent[index] = reply;
    this.#next++;
    for (let oldest = index + 1; this.#size > MAX_RECENT_SIZE; oldest++) {
      this.#size -= this.#recent[oldest % MAX_RECENT]?.body.length ?? 0;
      this.#recent[oldest % MAX_RECENT] = undefined;
    }
  }

  #keep(reply: Reply): void {
    const size = this.#keptSize + reply.body.length;
    if (this.#kept.size >= MAX_KEPT || size > MAX_KEPT_SIZE) {
      if (this.#dropped++ === 0) {
        this.#runtime.logger.warn(`${this.#service} drops answers: too many wait for the bus`);
      }
      this.#runtime.metrics.increment("aegis_rpc_replies_dropped_total", {
        service: this.#service,
      });
      return;
    }
    this.#keptSize = size;
    reply.number = this.#number++;
    this.#kept.set(reply.number, reply);
  }

  #forget(number: number): boolean {
    this.#keptSize -= this.#kept.get(number)?.body.length ?? 0;
    return this.#kept.delete(number);
  }

  #resend(): void {
    this.#dropped = 0;
    for (const reply of this.#recent) if (reply !== undefined) this.#keep(reply);
    this.#recent.length = 0;
    this.#size = 0;
    if (this.#kept.size === 0) return;
    const { messaging } = this.#runtime.transport;
    this.#inbox ??= messaging.subscribe(`${messaging.inbox}.kept.*`, {
      onMessage: (message) => this.#missed(message),
    });
    for (const number of [...this.#kept.keys()]) this.#sendKept(number);
  }

  #sendAgain(reply: Reply, calls: ReadonlyMap<string, string>): void {
    const { clock, transport: { messaging } } = this.#runtime;
    const id = calls.get(reply.subject);
    // Reply subjects are used again: this may be the answer to an earlier call.
    if (id === undefined || !names(reply.body, id) || reply.expiresAt <= clock.monotonic()) return;
    try {
      messaging.publish(reply.subject, reply.body, undefined, reply.headers);
    } catch {
      // This side is away now: it sends what it remembers when it is back.
    }
  }

  #sendKept(number: number): void {
    const reply = this.#kept.get(number);
    const { clock, transport: { messaging } } = this.#runtime;
    if (reply === undefined) return;
    if (reply.expiresAt <= clock.monotonic()) {
      this.#forget(number);
      return;
    }
    try {
      messaging.publish(
        reply.subject,
        reply.body,
        `${messaging.inbox}.kept.${number}`,
        reply.headers,
      );
    } catch {
      // Away again: it stays kept, and goes out at the next return.
      return;
    }
    const missed = this.#missedNumbers;
    clock.setTimer(RETRY_MS, () => {
      if (missed.delete(number)) this.#sendKept(number);
      else if (messaging.connected && this.#forget(number)) this.#remember(reply);
    });
  }

  /** The server says that the caller is not there. */
  #missed(message: Message): void {
    if (!this.#runtime.transport.messaging.isNoResponders(message)) return;
    const number = Number(message.subject.slice(message.subject.lastIndexOf(".") + 1));
    if (this.#kept.has(number)) {
      this.#missedNumbers.add(number);
      return;
    }
    // It took so long that the answer was thought to have arrived: it is kept again, unless it was forgotten since.
    const index = this.#recent.findIndex((reply) => reply?.number === number);
    const reply = this.#recent[index];
    if (reply === undefined) return;
    this.#size -= reply.body.length;
    this.#recent[index] = undefined;
    this.#keep(reply);
    this.#sendKept(reply.number);
  }
}

/** Whether the body of an answer names the request `id`. */
function names(body: string | Uint8Array, id: string): boolean {
  return (typeof body === "string" ? body : new TextDecoder().decode(body)).includes(id);
}
