// The responder: requests in, answers out, for the methods of one service instance.

import type { CallStats } from "../domain/call_stats.ts";
import type { AegisError } from "../domain/error.ts";
import type { RpcRequest } from "../domain/message.ts";
import { isThenable } from "../domain/thenable.ts";
import type { Message } from "../ports/messaging.ts";
import type { Codec } from "../ports/codec.ts";
import { Calls } from "./calls.ts";
import type { Origin, Outbound } from "./context.ts";
import {
  abortedError,
  busyError,
  expiredError,
  handedBackError,
  takenBackError,
  yieldedError,
} from "./endings.ts";
import { Intake } from "./intake.ts";
import type { Leading } from "./leading.ts";
import { Invocation } from "./invocation.ts";
import { type Limiter, limiterOf } from "./limiter.ts";
import type { Listening } from "./listening.ts";
import { countCall, createMethod, type Method, readFor } from "./method.ts";
import type { ServerMiddleware } from "./middleware.ts";
import { Replies } from "./replies.ts";
import { Responses } from "./responses.ts";
import type { RpcHandler } from "./rpc.ts";
import { codecOf, type Runtime } from "./runtime.ts";
import { runHandler } from "./run_handler.ts";
import type { Work } from "./work.ts";

/** How the responder of a service is set up. */
export interface ResponderOptions {
  readonly service: string;
  readonly instanceId: string;
  readonly handlers: readonly RpcHandler[];
  /** What every service answers. */
  readonly builtIn: readonly RpcHandler[];
  readonly middleware: readonly ServerMiddleware[];
  readonly concurrency: number;
  readonly listening: Listening;
  readonly outboundFrom: (origin: Origin) => Outbound;
  /** Who knows whether this instance leads, of a service with one active instance. */
  readonly leading: Leading | undefined;
  /** The group that it stands in, of such a service. */
  readonly group: string | undefined;
}

/** Serves RPC for one instance of a service. */
export class Responder implements Work {
  readonly runtime: Runtime;
  readonly service: string;
  readonly instanceId: string;
  readonly outboundFrom: (origin: Origin) => Outbound;
  readonly leading: Leading | undefined;
  readonly #replies: Replies;
  readonly #options: ResponderOptions;
  readonly #methods = new Map<string, Method>();
  readonly #calls: Calls;
  readonly #responses: Responses;
  readonly #listening: Listening;
  readonly #shared: Limiter | undefined;
  readonly #intake: Intake;
  #isOpen = false;

  constructor(runtime: Runtime, options: ResponderOptions) {
    this.runtime = runtime;
    this.service = options.service;
    this.instanceId = options.instanceId;
    this.outboundFrom = options.outboundFrom;
    this.leading = options.leading;
    this.#options = options;
    this.#listening = options.listening;
    this.#intake = new Intake(runtime, options.service, options.instanceId);
    this.#replies = new Replies(runtime, options.service);
    this.#responses = new Responses(runtime, options, this.#replies);
    this.#calls = new Calls(runtime.clock, (invocation) => this.#expire(invocation));
    this.#shared = limiterOf(options.concurrency);
    const add = (handler: RpcHandler, builtIn: boolean) =>
      this.#methods.set(handler.method, createMethod(runtime, options.service, handler, builtIn));
    for (const handler of options.handlers) add(handler, false);
    for (const handler of options.builtIn) add(handler, true);
  }

  /** How many calls have arrived and not ended. */
  get inFlight(): number {
    return this.#calls.count;
  }

  /** The statistics of a method that it serves. */
  statsOf(method: string): CallStats {
    return this.#methods.get(method)!.stats;
  }

  /** How many answers wait for the bus. */
  get unsettled(): number {
    return this.#replies.kept;
  }

  /** Resolves when no answer waits for the bus any more that its caller may still want. */
  whenSettled(): Promise<void> {
    return this.#replies.whenSent();
  }

  /** Subscribes every method. They stand on the server once the transport was flushed. */
  open(onError: (error: Error) => void): void {
    this.#intake.open(this.#methods, {
      onRequest: (method, message) => this.#receive(method, message),
      onAsked: (message, methods) => this.#responses.ask(message, methods, this.leading),
      onUnknown: (message, name) => this.#responses.unknown(message, name),
      onCancel: (message) => this.#cancel(message),
      onAgain: (message) => this.#replies.again(message),
      onError,
    });
    this.#isOpen = true;
    this.#replies.open();
    this.#listening.start();
  }

  /** Serves what the leader alone serves, with this fencing token. */
  lead(token: number): void {
    this.#intake.lead({ group: this.#options.group!, token });
    this.#responses.standing.lead(token);
  }

  /** Serves it no longer: what waits for its turn goes to the next leader, and what runs is told. */
  yield(): void {
    this.#intake.yield();
    this.#responses.standing.yield();
    for (const invocation of this.#calls.entries()) {
      // One that ends may have passed its turn on.
      if (!invocation.method.exclusive || invocation.ended) continue;
      this.#stop(invocation, yieldedError(invocation));
    }
  }

  /** Asks for no more calls; resolves when all that had been routed here have arrived, after `withinMs` at the latest. */
  drain(withinMs: number): Promise<void> {
    return this.#intake.drain(withinMs);
  }

  /** Resolves when nothing is in flight, or nothing that the leader alone serves. */
  whenIdle(exclusive = false): Promise<void> {
    return this.#calls.whenNone(exclusive);
  }

  /** Refuses what waits for its turn: its callers go to another instance. */
  handBack(): void {
    for (const invocation of this.#calls.entries()) {
      // One that ends may have passed its turn on.
      if (invocation.begun || invocation.ended) continue;
      this.#stop(invocation, handedBackError(invocation));
    }
  }

  /** Aborts what is still in flight: its callers hear that the service has stopped. */
  abort(reason?: AegisError): void {
    for (const invocation of this.#calls.entries()) {
      this.#stop(invocation, reason ?? abortedError(invocation));
    }
  }

  /** Lets go of everything; resolves when the server has heard of it, after `withinMs` at the latest. */
  async close(withinMs: number): Promise<void> {
    if (this.#isOpen) this.#listening.stop();
    this.#isOpen = false;
    this.#replies.close();
    await this.#intake.close(withinMs);
  }

  #receive(method: Method, message: Message): void {
    if (method.exclusive && this.leading?.token === undefined) {
      return this.#responses.standBy(message, method.name);
    }
    const { clock } = this.runtime;
    const now = clock.monotonic();
    let codec: Codec, request: RpcRequest;
    try {
      codec = codecOf(this.runtime, message);
      request = readFor(method, this.runtime, codec, message);
    } catch (error) {
      this.#responses.refuse(message, error, method.exclusive);
      return countCall(method, 0, "INVALID_REQUEST", error);
    }
    const budget = Math.min(request.timeoutMs, method.timeoutMs) -
      this.#listening.age(message, request, now);
    const invocation = new Invocation(this, method, request, codec, message, now, now + budget);
    this.#calls.arrived(invocation);
    if (budget <= 0) return this.#expire(invocation);
    this.#calls.add(invocation);
    const entered = method.limiter?.enter(invocation) ?? "run";
    if (entered === "run") this.execute(invocation);
    else if (entered === "busy") this.#stop(invocation, busyError(invocation));
  }

  /** Takes the turn of a call that has waited for it. */
  begin(invocation: Invocation): void {
    if (this.#isOver(invocation)) invocation.method.limiter?.leave();
    else this.execute(invocation);
  }

  /** Runs a call whose turn at its method's limiter has come. */
  execute(invocation: Invocation): void {
    const shared = this.#shared;
    invocation.holdsTurn = true;
    if (shared === undefined || invocation.method.builtIn) return this.#run(invocation);
    const entered = shared.enter({
      get ended() {
        return invocation.ended;
      },
      begin: () => {
        if (this.#isOver(invocation)) shared.leave();
        else this.#run(invocation);
      },
    });
    if (entered === "run") this.#run(invocation);
    else if (entered === "busy") this.#stop(invocation, busyError(invocation));
  }

  #run(invocation: Invocation): void {
    if (invocation.method.exclusive) {
      invocation.token = this.leading?.token;
      // Whoever finds out that it leads no longer ends all that waits, this one too.
      if (invocation.ended) return this.#shared?.leave();
    }
    invocation.begun = true;
    let result: unknown;
    try {
      const { middleware } = this.#options;
      result = runHandler(this.runtime, invocation, invocation.method.builtIn ? [] : middleware);
    } catch (error) {
      return this.#failed(invocation, error);
    }
    if (isThenable(result)) {
      Promise.resolve(result).then(
        (settled) => this.#done(invocation, undefined, settled),
        (error) => this.#failed(invocation, error),
      );
    } else this.#done(invocation, undefined, result);
  }

  #failed(invocation: Invocation, error: unknown): void {
    this.#done(invocation, error ?? new Error("The handler threw nothing"), undefined);
  }

  #done(invocation: Invocation, error: unknown, result: unknown): void {
    this.#finish(invocation, error, result);
    if (!invocation.method.builtIn) this.#shared?.leave();
    this.#leave(invocation);
  }

  /** Answers a call, once: whatever its handler gives later is dropped. */
  #finish(invocation: Invocation, error: unknown, result?: unknown): void {
    // What was done by one that leads no longer is no answer: whoever finds that out ends it.
    if (invocation.token !== undefined && !invocation.ended) void this.leading?.token;
    if (invocation.ended) return;
    invocation.ended = true;
    this.#calls.ended(invocation);
    const { method, startedAt } = invocation;
    try {
      const code = this.#responses.answer(invocation, error, result);
      countCall(method, this.runtime.clock.monotonic() - startedAt, code, error);
    } catch (fault) {
      // Whatever is wrong with an answer, its turn is for those that wait, and stop() does not wait for it.
      this.runtime.logger.error(`${this.service} could not end a call`, { error: fault });
    }
  }

  /** Ends a call early, for a reason that its handler is told if it has begun. */
  #stop(invocation: Invocation, error: AegisError): void {
    this.#finish(invocation, error);
    if (invocation.begun) invocation.abort(error);
    else this.#leave(invocation);
  }

  /** Ends a call whose time was over before its turn came; the timer may come later than the turn. */
  #isOver(invocation: Invocation): boolean {
    if (invocation.expiresAt <= this.runtime.clock.monotonic()) this.#expire(invocation);
    return invocation.ended;
  }

  #expire(invocation: Invocation): void {
    this.#stop(invocation, expiredError(invocation));
  }

  #cancel(message: Message): void {
    const invocation = this.#calls.find(message.ascii ?? new TextDecoder().decode(message.data));
    if (invocation !== undefined) this.#stop(invocation, takenBackError(invocation));
  }

  #leave(invocation: Invocation): void {
    if (invocation.holdsTurn) {
      invocation.holdsTurn = false;
      invocation.method.limiter?.leave();
    }
    this.#calls.left(invocation);
  }
}
