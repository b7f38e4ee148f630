// Acknowledgements of one consumer: sent at once, remembered until the broker has them, and repeated if need be.

import { flatCopy } from "../../domain/flat.ts";
import { Acked } from "./acked.ts";
import { type AcksParts, keyOf, type Stored, type Word } from "./acks_parts.ts";
import { Confirmation, type Confirming } from "./confirmation.ts";
import { Due } from "./due.ts";
import type { NatsMessage } from "./message.ts";
import { Progress } from "./progress.ts";
import type { Unanswered } from "./requests.ts";

/** How long the broker may take to confirm, in milliseconds: then everything that it has not confirmed is sent again. */
const CONFIRM_MS = 4_000;
/** How long after the last acknowledgement it is confirmed at the latest, in milliseconds. */
const TAIL_MS = 50;
/** How long to wait before what nobody took is sent again, in milliseconds. */
const AGAIN_MS = 500;
const MAX_TIMER_MS = 2 ** 31 - 1;
const NS_OF_A_MS = "000000";
const WORKING = "+WPI";

/**
 * The acknowledgements of one consumer. What is written to a connection that breaks is lost, and a request for each one
 * costs twice as much. The broker handles those of one connection in their order, so one at a time is a request, the
 * marker: its answer confirms it and all before it.
 */
export class Acks implements Confirming {
  readonly #parts: AcksParts;
  readonly #acked = new Acked();
  /** When the latest of them was stored, in milliseconds since the epoch. */
  #latest = 0;
  /** What is confirmed when the marker is answered: it is the last of them. */
  #covered: Word[] = [];
  /** What was sent after the marker. */
  #open: Word[] = [];
  #marker: Confirmation | undefined;
  /** Whether something of what is open has not reached the broker for certain. */
  #lost = false;
  /** By message. Each is a request of its own: its answer says nothing of acknowledgements that are being replicated. */
  readonly #naks = new Map<string, Confirmation>();
  readonly #due = new Due();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pending = false;
  #settling: (() => void)[] = [];
  /** How many reasons there are to say no nak now. */
  #holds = 0;

  /** Makes the acknowledgements of one consumer. */
  constructor(parts: AcksParts) {
    this.#parts = parts;
  }

  /** How many the broker has not confirmed. */
  get size(): number {
    return this.#covered.length + this.#open.length + this.#naks.size;
  }

  /** It is done, or never to be done: `body` says which. */
  ack(sequence: number, subject: string, body: string, storedAt: number): void {
    const { connected } = this.#parts.messaging;
    this.#acked.add(sequence, this.#covered.length + this.#open.length);
    if (storedAt > this.#latest) this.#latest = storedAt;
    this.#open.push({ sequence, subject: connected ? subject : flatCopy(subject), body });
    this.#began();
    if (!connected) this.#lost = true;
    else if (this.#lost) this.#arm(AGAIN_MS);
    else if (this.#marker === undefined) this.#mark();
    else this.#tell(subject, body);
  }

  /** It is to be delivered again after a delay; what is said `once` is forgotten where it may not have been heard. */
  nak(message: Stored, subject: string, delayMs: number, once = false): void {
    const { connected } = this.#parts.messaging;
    if (once && !connected) return;
    const dueAt = performance.now() + Math.max(0, delayMs);
    const kept = connected ? subject : flatCopy(subject);
    const nak = new Confirmation(this, keyOf(message), kept, dueAt, once);
    this.#naks.set(nak.key, nak);
    this.#began();
    this.#sendNak(nak);
  }

  /** It is still in work; `onHeard` is called when the broker has said that it heard so. */
  working(subject: string, onHeard?: () => void): void {
    const { messaging, requests, onNobody } = this.#parts;
    if (!messaging.connected) return;
    const expiresAt = performance.now() + CONFIRM_MS;
    try {
      if (onHeard === undefined) messaging.publish(subject, WORKING);
      else requests.send(new Progress(subject, expiresAt, onHeard, onNobody), WORKING);
    } catch {
      // About to close. Nothing depends on it that would not be said again.
    }
  }

  /**
   * Whether a message was acknowledged here lately. One of the same sequence that was stored later than everything which
   * was acknowledged is of a stream that was removed and made again: then all of that is forgotten.
   */
  has(delivery: Stored): boolean {
    if (!this.#acked.has(delivery.sequence)) return false;
    if (delivery.storedAt <= this.#latest) return true;
    this.forget();
    return false;
  }

  /** Whether a message that comes again was to come later: then the broker is told again. */
  isEarly(message: Stored, subject: string): boolean {
    if (this.#naks.size === 0 && this.#due.size === 0) return false;
    const key = keyOf(message);
    const nak = this.#naks.get(key);
    this.#naks.delete(key);
    const leftMs = nak === undefined ? this.#due.came(key) : nak.dueAt - performance.now();
    if (leftMs > 0) this.nak(message, subject, leftMs, nak?.once);
    else if (nak !== undefined) this.#ended();
    return leftMs > 0;
  }

  /** The bus went away: what is not confirmed must not keep all that was read with it. */
  away(): void {
    this.#unmark();
    for (const word of this.#open) word.subject = flatCopy(word.subject);
    for (const nak of this.#naks.values()) {
      nak.subject = flatCopy(nak.subject);
      this.#forgetOnce(nak);
    }
  }

  /** Says no nak before `until` has settled. */
  async hold(until: Promise<unknown> | undefined): Promise<void> {
    if (until === undefined) return;
    this.#holds++;
    try {
      await until;
    } finally {
      this.#holds--;
      if (this.#holds === 0) this.#repeatNaks();
    }
  }

  /** Sends everything again that is not confirmed. */
  repeat(): void {
    if (!this.#parts.messaging.connected) return;
    if (this.#marker === undefined) {
      this.#lost = false;
      for (const { subject, body } of this.#open.slice(0, -1)) this.#tell(subject, body);
      this.#mark();
    }
    this.#repeatNaks();
  }

  /** The consumer is not there any more, or is another one: it has not delivered what is acknowledged here. */
  forget(): void {
    this.#acked.clear();
    this.#due.clear();
    this.#latest = 0;
    this.#covered = [];
    this.#open = [];
    this.#marker = undefined;
    this.#lost = false;
    this.#naks.clear();
    this.#ended();
  }

  /** Resolves when everything is confirmed, after `withinMs` at the latest. */
  settled(withinMs: number): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    this.#confirm();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, Math.min(withinMs, MAX_TIMER_MS));
      this.#settling.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  answered(confirmation: Confirmation, message: NatsMessage): void {
    const isMarker = confirmation === this.#marker;
    if (message.isNoResponders) {
      if (isMarker) this.#unmark();
      this.#forgetOnce(confirmation);
      this.#arm(AGAIN_MS);
      this.#parts.onNobody();
      return;
    }
    if (isMarker) {
      this.#covered = [];
      this.#marker = undefined;
      if (this.#open.length > 0) this.#arm(TAIL_MS);
    } else if (this.#naks.get(confirmation.key) === confirmation) {
      this.#naks.delete(confirmation.key);
      if (!confirmation.once) this.#due.add(confirmation.key, confirmation.dueAt);
    }
    this.#ended();
  }

  failed(confirmation: Confirmation, why: Unanswered, error: Error | undefined): void {
    if (confirmation === this.#marker) this.#unmark();
    this.#forgetOnce(confirmation);
    if (why === "closed") this.forget();
    else if (why === "timeout") this.repeat();
    else if (why === "refused") {
      this.#arm(CONFIRM_MS);
      this.#parts.onRefused(error!);
    }
  }

  /** Has what is open confirmed. */
  #confirm(): void {
    if (this.#lost || this.#naks.size > 0) this.repeat();
    else if (this.#marker === undefined && this.#parts.messaging.connected) this.#mark();
  }

  /** Sends the last one of what is open as a request; it does no harm if it is there already. */
  #mark(): void {
    const last = this.#open.at(-1);
    if (last === undefined) return;
    const marker = new Confirmation(this, "", last.subject, 0, false);
    marker.expiresAt = performance.now() + CONFIRM_MS;
    try {
      this.#parts.requests.send(marker, last.body);
    } catch {
      // Away, or about to close.
      this.#lost = true;
      return;
    }
    this.#marker = marker;
    this.#covered = this.#open;
    this.#open = [];
  }

  #unmark(): void {
    this.#marker = undefined;
    if (this.#open.length + this.#covered.length > 0) this.#lost = true;
    this.#open = this.#covered.concat(this.#open);
    this.#covered = [];
  }

  #forgetOnce(nak: Confirmation): void {
    if (!nak.once || this.#naks.get(nak.key) !== nak) return;
    this.#naks.delete(nak.key);
    this.#ended();
  }

  #repeatNaks(): void {
    for (const nak of this.#naks.values()) if (!nak.underWay) this.#sendNak(nak);
  }

  #sendNak(nak: Confirmation): void {
    if (this.#holds > 0 || !this.#parts.messaging.connected) return;
    const now = performance.now();
    const delayMs = Math.round(nak.dueAt - now);
    nak.expiresAt = now + CONFIRM_MS;
    try {
      // In nanoseconds a number does not hold many days.
      const body = delayMs > 0 ? `-NAK {"delay":${delayMs}${NS_OF_A_MS}}` : "-NAK";
      this.#parts.requests.send(nak, body);
      nak.underWay = true;
    } catch {
      // Away, or about to close: it is one of those that are not confirmed.
    }
  }

  #tell(subject: string, body: string): void {
    try {
      this.#parts.messaging.publish(subject, body);
    } catch {
      this.#lost = true;
    }
  }

  #arm(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#confirm();
    }, ms);
  }

  #began(): void {
    if (this.#pending) return;
    this.#pending = true;
    this.#parts.onPending(true);
  }

  #ended(): void {
    if (!this.#pending || this.size > 0) return;
    this.#pending = false;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const resolve of this.#settling.splice(0)) resolve();
    this.#parts.onPending(false);
  }
}
