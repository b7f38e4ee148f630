// Dead letters as a client sees them: what they are, which are meant, and what can be done with them.

import type { DeadLetterFacts, DeadLetterReason } from "../domain/dead_letter.ts";

/** What a service could not handle. */
export interface DeadLetter extends DeadLetterFacts {
  /** Its own id, for {@linkcode DeadLetterBox.replayDeadLetter}. */
  readonly id: string;
  /** What it is. */
  readonly kind: "event" | "command";
  /** The type of the event, such as `"order.created"`, or the name of the command. */
  readonly type: string;
  /** The headers that it had. */
  readonly headers: Readonly<Record<string, string>>;
  /** Its bytes, as they were published. */
  readonly body: Uint8Array;
  /** Whether it holds its bytes; those that were too large to stand beside the reason are still in their stream. */
  readonly bodyElsewhere: boolean;
}

/** Which dead letters are meant: those that fit all that is given. */
export interface DeadLetterFilter {
  /** Those of this service. */
  readonly service?: string;
  /** Those of events, or of commands. */
  readonly kind?: "event" | "command";
  /** Those of events whose types match this pattern, and of commands of this name. */
  readonly type?: string;
  /** Those with this reason. */
  readonly reason?: DeadLetterReason;
  /** Those with these ids. */
  readonly ids?: readonly string[];
  /** As many, the oldest first. @default {1000 where they are listed, else all} */
  readonly limit?: number;
  /**
   * Ends it: it rejects with the signal's reason. The letter that is in hand is replayed or discarded all the same, and
   * no further one.
   */
  readonly signal?: AbortSignal;
}

/** Options of what is done with one dead letter. */
export interface DeadLetterOptions {
  /** Ends the waiting: it rejects with the signal's reason. It may be done all the same. */
  readonly signal?: AbortSignal;
}

/**
 * Dead letters of all services.
 *
 * @example
 * ```ts
 * import { connect, createClient, createService, on } from "@aegis/sdk";
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * await using bus = await connect({ servers: "memory:" });
 * let broken = true;
 * const paid = Promise.withResolvers<void>();
 * const pay = on("order.placed", { retry: { attempts: 1 } }, () => {
 *   if (broken) throw new Error("the bank does not answer");
 *   paid.resolve();
 * });
 * await using billing = createService("billing", { bus, handlers: [pay] });
 * await billing.start();
 *
 * const client = createClient({ bus });
 * await client.publish("order.placed", { orderId: "A-1" });
 * while ((await client.listDeadLetters()).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
 * const [letter] = await client.listDeadLetters({ service: "billing" });
 * deepStrictEqual([letter?.type, letter?.reason], ["order.placed", "failed"]);
 *
 * broken = false;
 * strictEqual(await client.replayDeadLetters({ service: "billing" }), 1);
 * await paid.promise;
 * ```
 */
export interface DeadLetterBox {
  /**
   * The dead letters that fit, the oldest first.
   *
   * @throws {AegisError} with code `JETSTREAM_DISABLED`, {UnavailableError} while the bus is away.
   */
  listDeadLetters(filter?: DeadLetterFilter): Promise<DeadLetter[]>;
  /**
   * Has a dead letter handled again, by the service and the handler that failed at it, and by no other; false when there
   * is none of that id. Should it fail again it becomes a dead letter again. One of a broadcast goes to every instance of
   * the service that is there, also to those that had handled it. A command is `pending` again under its own id, with all
   * its attempts; one that was done or cancelled after that is not run, and its dead letter removed.
   *
   * @throws {AegisError} with code `HANDLER_GONE` when its handler is not there any more, or no instance of a broadcast that
   * keeps no place for those who are away; with code `GONE` when its bytes are not. The dead letter stays.
   * @throws {ConflictError} when a command of that id waits or runs.
   */
  replayDeadLetter(id: string, options?: DeadLetterOptions): Promise<boolean>;
  /**
   * Has all that fit handled again, those that there are now; how many were. One that {@linkcode replayDeadLetter} would
   * refuse holds up none of the others: it stays, is not counted, and the log says why.
   */
  replayDeadLetters(filter?: DeadLetterFilter): Promise<number>;
  /** Removes a dead letter for good; false when there is none of that id. */
  discardDeadLetter(id: string, options?: DeadLetterOptions): Promise<boolean>;
  /** Removes all that fit for good, those that there are now; how many. */
  discardDeadLetters(filter?: DeadLetterFilter): Promise<number>;
}
