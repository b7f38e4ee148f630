// Messages of one consumer that are to come again: said to the broker until it has heard so.

import { flatCopy } from "../../domain/flat.ts";
import { type AcksParts, keyOf, type Stored } from "./acks_parts.ts";
import { Confirmation, type Confirming } from "./confirmation.ts";
import { Due } from "./due.ts";
import type { NatsMessage } from "./message.ts";
import type { Unanswered } from "./requests.ts";

/** How long the broker may take to confirm one, in milliseconds. */
const CONFIRM_MS = 4_000;
const NS_OF_A_MS = "000000";

/** What naks are made over. */
export interface NaksParts extends Pick<AcksParts, "requests"> {
  /** Whether the broker may be told something now. */
  readonly mayTell: () => boolean;
  /** Called when the server says that nobody takes them. */
  readonly onNobody: () => void;
  /** Called when there is one more, and when there is one less. */
  readonly onBegun: () => void;
  readonly onEnded: () => void;
  /** Called when one was not heard: with an error when this user may not send it. */
  readonly onUnheard: (error?: Error) => void;
}

/**
 * The naks of one consumer. Each is a request of its own: its answer says nothing of acknowledgements that are being
 * replicated.
 */
export class Naks implements Confirming {
  readonly #parts: NaksParts;
  readonly #all = new Map<string, Confirmation>();
  readonly #due = new Due();
  /** How many reasons there are to say none now. */
  #holds = 0;

  /** Makes the naks of one consumer. */
  constructor(parts: NaksParts) {
    this.#parts = parts;
  }

  /** How many the broker has not confirmed. */
  get size(): number {
    return this.#all.size;
  }

  /** A message is to be delivered again after a delay; what is said `once` is forgotten where it may not have been heard. */
  add(message: Stored, subject: string, delayMs: number, once: boolean): void {
    const { mayTell, onBegun } = this.#parts;
    if (once && !mayTell()) return;
    const dueAt = performance.now() + Math.max(0, delayMs);
    const nak = new Confirmation(this, keyOf(message), subject, dueAt, once);
    this.#all.set(nak.key, nak);
    onBegun();
    this.#send(nak);
    if (!nak.underWay) nak.subject = flatCopy(subject);
  }

  /** Whether a message that comes again was to come later: then the broker is told again. */
  isEarly(message: Stored, subject: string): boolean {
    if (this.#all.size === 0 && this.#due.size === 0) return false;
    const key = keyOf(message);
    const nak = this.#all.get(key);
    this.#all.delete(key);
    const leftMs = nak === undefined ? this.#due.came(key) : nak.dueAt - performance.now();
    if (leftMs > 0) this.add(message, subject, leftMs, nak?.once ?? false);
    else if (nak !== undefined) this.#parts.onEnded();
    return leftMs > 0;
  }

  /** The bus went away: what is not confirmed must not keep all that was read with it. */
  away(): void {
    for (const nak of this.#all.values()) {
      nak.subject = flatCopy(nak.subject);
      this.#forgetOnce(nak);
    }
  }

  /** Says none before `until` has settled. */
  async hold(until: Promise<unknown> | undefined): Promise<void> {
    if (until === undefined) return;
    this.#holds++;
    try {
      await until;
    } finally {
      this.#holds--;
      this.repeat();
    }
  }

  /** Sends those again that are not confirmed. */
  repeat(): void {
    for (const nak of this.#all.values()) if (!nak.underWay) this.#send(nak);
  }

  /** Forgets all. */
  clear(): void {
    this.#all.clear();
    this.#due.clear();
  }

  answered(nak: Confirmation, message: NatsMessage): void {
    if (message.isNoResponders) {
      this.#forgetOnce(nak);
      this.#parts.onUnheard();
      this.#parts.onNobody();
      return;
    }
    if (this.#all.get(nak.key) !== nak) return;
    this.#all.delete(nak.key);
    if (!nak.once) this.#due.add(nak.key, nak.dueAt);
    this.#parts.onEnded();
  }

  failed(nak: Confirmation, why: Unanswered, error: Error | undefined): void {
    this.#forgetOnce(nak);
    if (why === "timeout") this.repeat();
    else if (why === "refused") this.#parts.onUnheard(error);
    else if (why === "closed") {
      this.clear();
      this.#parts.onEnded();
    }
  }

  #forgetOnce(nak: Confirmation): void {
    if (!nak.once || this.#all.get(nak.key) !== nak) return;
    this.#all.delete(nak.key);
    this.#parts.onEnded();
  }

  #send(nak: Confirmation): void {
    const { mayTell, requests } = this.#parts;
    if (this.#holds > 0 || !mayTell()) return;
    const now = performance.now();
    const delayMs = Math.round(nak.dueAt - now);
    nak.expiresAt = now + CONFIRM_MS;
    try {
      // In nanoseconds a number does not hold many days.
      const body = delayMs > 0 ? `-NAK {"delay":${delayMs}${NS_OF_A_MS}}` : "-NAK";
      nak.underWay = true;
      requests.send(nak, body);
    } catch {
      // Away, or about to close: it is one of those that are not confirmed.
      nak.underWay = false;
    }
  }
}
