// A channel to a consumer: an inbox of its own, what was asked for through it, and whether the server is still heard.

import type { Messaging, Subscription } from "../../ports/messaging.ts";
import type { NatsMessage } from "./message.ts";
import { pause } from "./pause.ts";
import { type PullStatus, readPullStatus } from "./pull_status.ts";
import { settledWithin } from "./settled.ts";

/** What a channel asks for, and how much of it at most. */
export interface PullLimits {
  /** How many messages one request may ask for. */
  batch: number;
  /** For how long a request may wait, in milliseconds. */
  expiresMs: number;
}

/** What a channel is made of. */
export interface ChannelParts {
  readonly messaging: Messaging;
  /** Its own subject, which no other has had. */
  readonly inbox: string;
  /** Where requests for messages go. */
  readonly nextSubject: string;
  readonly limits: PullLimits;
  /** Called with each message that has a reply subject: a delivery. */
  readonly onMessage: (message: NatsMessage, reply: string) => void;
  /** Called once when the server was heard. */
  readonly onAlive: () => void;
  /** Called when requests are over of which something has not come. */
  readonly onOver: () => void;
  /** Called when the server says that the consumer was deleted, before {@linkcode onVoid}. */
  readonly onDeleted: () => void;
  /** Called once when the channel is of no use any more; with an error when that is not as it should be. */
  readonly onVoid: (error: Error | undefined) => void;
  /** Called when a request was refused since it was too large; `limits` must be lower for the next channel. */
  readonly onLimit: (status: PullStatus & { readonly kind: "limit" }) => void;
}

/** How often the server says that it is still there, where there are no messages, in milliseconds. */
const HEARTBEAT_MS = 2_000;
/** After how long without a word nobody is there, in milliseconds: two heartbeats, and the time they may take. */
const SILENCE_MS = 2 * HEARTBEAT_MS + 500;
/** How often it is looked whether the server was heard, in milliseconds. */
const LOOK_MS = 500;
/** How long after its end a request may still be answered, in milliseconds. */
const LATE_MS = 5_000;
/** How long nothing must come before a channel is closed that has asked for more, in milliseconds. */
const QUIET_MS = 10;
const NS_PER_MS = 1_000_000;

/** A channel. It lasts as long as its connection at most. */
export class PullChannel {
  /** How many messages were asked for through it and have not come. */
  sent = 0;
  /** How many messages have come through it. */
  received = 0;
  readonly #parts: ChannelParts;
  readonly #subscription: Subscription;
  readonly #timer: ReturnType<typeof setInterval>;
  // What was asked for, by the second until which it is answered. A server may drop a request without a word.
  #granted: { until: number; count: number }[] = [];
  #heard = true;
  #heardAt = performance.now();
  #lookedAt = this.#heardAt;
  #alive = false;
  #void = false;

  /** Opens a channel. @throws what {@linkcode Messaging.subscribe} throws. */
  constructor(parts: ChannelParts) {
    this.#parts = parts;
    this.#subscription = parts.messaging.subscribe(parts.inbox, {
      onMessage: (message) => this.#receive(message as NatsMessage),
      onError: (error) => this.#end(error),
    });
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /** Asks for `count` messages, or as many as one request may. @throws what {@linkcode Messaging.publish} throws. */
  request(count: number): void {
    const { messaging, nextSubject, inbox, limits } = this.#parts;
    const batch = Math.min(count, limits.batch);
    const expires = Math.floor(limits.expiresMs * NS_PER_MS);
    const heartbeat = Math.min(HEARTBEAT_MS * NS_PER_MS, Math.floor(expires / 2));
    messaging.publish(
      nextSubject,
      `{"batch":${batch},"expires":${expires},"idle_heartbeat":${heartbeat}}`,
      inbox,
    );
    // Before there was nothing to hear.
    if (this.sent <= 0) this.#heard = true;
    this.sent = Math.max(0, this.sent) + batch;
    const until = Math.ceil((performance.now() + limits.expiresMs + LATE_MS) / 1_000);
    const last = this.#granted.at(-1);
    if (last?.until === until) last.count += batch;
    else this.#granted.push({ until, count: batch });
  }

  /**
   * Ends it when nothing comes any more that was asked for. A server that is told to send no more drops what it has taken
   * from the stream and not sent yet; that would come again only after the ack wait.
   */
  async close(withinMs: number): Promise<void> {
    const end = performance.now() + withinMs;
    for (
      let before = -1;
      this.sent > 0 && before !== this.received && !this.#void &&
      performance.now() < end;
    ) {
      before = this.received;
      await settledWithin(end - performance.now(), this.#parts.messaging.flush());
      await pause(Math.min(QUIET_MS, Math.max(0, end - performance.now())));
    }
    await this.drain(Math.max(0, end - performance.now()));
  }

  /** Ends it without loss: resolves when all that was sent here has been handed over, after `withinMs` at the latest. */
  async drain(withinMs: number): Promise<void> {
    this.#void = true;
    clearInterval(this.#timer);
    await this.#subscription.drain(withinMs);
  }

  #receive(message: NatsMessage): void {
    this.#heard = true;
    const { reply } = message;
    if (reply !== undefined && reply !== "") {
      this.sent--;
      this.received++;
      this.#lives();
      this.#parts.onMessage(message, reply);
      return;
    }
    if (this.#void) return;
    const status = readPullStatus(message);
    switch (status.kind) {
      case "alive":
        this.#lives();
        break;
      case "over":
        this.#lives();
        this.sent -= status.left;
        this.#parts.onOver();
        break;
      case "void":
        if (status.deleted) this.#parts.onDeleted();
        this.#end(undefined);
        break;
      case "limit":
        this.#parts.onLimit(status);
        this.#end(undefined);
        break;
      case "refused":
        this.#end(new Error(`the server said "${status.reason}"`));
        break;
    }
  }

  #lives(): void {
    if (this.#alive) return;
    this.#alive = true;
    this.#parts.onAlive();
  }

  #look(): void {
    const now = performance.now();
    // When this process stood still it has heard nothing either.
    if (this.#heard || now - this.#lookedAt > 3 * LOOK_MS) {
      this.#heard = false;
      this.#heardAt = now;
    }
    this.#lookedAt = now;
    if (this.sent > 0 && now - this.#heardAt > SILENCE_MS) {
      this.#end(new Error("the server has fallen silent"));
      return;
    }
    const second = now / 1_000;
    while (this.#granted.length > 0 && this.#granted[0]!.until < second) this.#granted.shift();
    const possible = this.#granted.reduce((sum, { count }) => sum + count, 0);
    if (this.sent > possible) {
      this.sent = possible;
      this.#parts.onOver();
    }
  }

  #end(error: Error | undefined): void {
    if (this.#void) return;
    this.#void = true;
    clearInterval(this.#timer);
    this.#parts.onVoid(error);
  }
}
