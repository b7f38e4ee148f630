// Cancels: what reaches an instance of commands that are taken back while it has them, or before it gets them.

import { type CommandCancel, readCancel } from "../domain/command_signal.ts";
import { CANCEL_ALL, cancelSubject, STATE_HEADER } from "../domain/command_subject.ts";
import type { Message, Subscription } from "../ports/messaging.ts";
import { codecOf, decodeBody, type Runtime } from "./runtime.ts";

/** A cancel, and whether the record of the command says so already. */
export interface Cancel extends CommandCancel {
  readonly recorded: boolean;
}

/** How many cancels are remembered of commands that are not here: services of the original's protocol write no records. */
const MAX_REMEMBERED = 10_000;
const MAX_TEXT = 4_096;

/** Hears of the commands that are taken back. */
export class CommandCancels {
  readonly #runtime: Runtime;
  readonly #onCancel: (token: string, cancel: Cancel) => boolean;
  readonly #remembered = new Map<string, Cancel>();
  #subscription: Subscription | undefined;

  /** `onCancel` says whether the command is here. */
  constructor(runtime: Runtime, onCancel: (token: string, cancel: Cancel) => boolean) {
    this.#runtime = runtime;
    this.#onCancel = onCancel;
  }

  /** Begins to listen. */
  open(): void {
    this.#subscription = this.#runtime.transport.messaging.subscribe(CANCEL_ALL, {
      onMessage: (message) => this.#hear(message),
      onError: (error) =>
        this.#runtime.logger.warn(
          "Cancels of commands cannot be heard: a handler hears of one when it next keeps its progress",
          { error },
        ),
    });
  }

  /** A cancel that came before its command and is in no record. */
  take(token: string): Cancel | undefined {
    if (this.#remembered.size === 0) return undefined;
    const cancel = this.#remembered.get(token);
    if (cancel !== undefined) this.#remembered.delete(token);
    return cancel;
  }

  /** Listens no longer. */
  async close(withinMs: number): Promise<void> {
    await this.#subscription?.drain(withinMs).catch(() => undefined);
  }

  #hear(message: Message): void {
    const token = message.subject.slice(cancelSubject("").length);
    const { reason, by } = this.#read(message);
    const recorded = this.#runtime.transport.messaging.header(message, STATE_HEADER) !== undefined;
    const cancel: Cancel = {
      recorded,
      ...(reason === undefined ? {} : { reason: reason.slice(0, MAX_TEXT) }),
      ...(by === undefined ? {} : { by: by.slice(0, MAX_TEXT) }),
    };
    // What is in the record whoever gets the command will read there.
    if (this.#onCancel(token, cancel) || recorded) return;
    this.#remembered.set(token, cancel);
    if (this.#remembered.size > MAX_REMEMBERED) {
      for (const oldest of this.#remembered.keys()) {
        this.#remembered.delete(oldest);
        break;
      }
    }
  }

  #read(message: Message): CommandCancel {
    if (message.data.length === 0) return {};
    try {
      return readCancel(decodeBody(codecOf(this.#runtime, message), message)) ?? {};
    } catch {
      // Whatever it says, its subject says enough.
      return {};
    }
  }
}
