// Spans: one around each call and each event on either side, named alike; a tracer that throws breaks none.

import { traceIdOf } from "../domain/header.ts";
import type { Logger } from "../ports/logger.ts";
import type { Span, SpanOptions, Tracer } from "../ports/tracer.ts";

/** A span of a call. Ending it never throws. */
export interface CallSpan {
  /** What goes on in message headers; undefined where the tracer gave none that W3C knows. */
  readonly traceparent: string | undefined;
  /** Ends it, with the error that ended the call, if one did. */
  end(error?: unknown): void;
}

/** Starts the spans of one bus with the program's tracer. */
export class Spans {
  readonly #tracer: Tracer;
  readonly #logger: Logger;

  constructor(tracer: Tracer, logger: Logger) {
    this.#tracer = tracer;
    this.#logger = logger;
  }

  /** The span of a call; undefined when the tracer threw, and the call goes on without. */
  startCall(
    kind: "client" | "server",
    service: string,
    method: string,
    parent: string | undefined,
  ): CallSpan | undefined {
    return this.#start(`${service}/${method}`, {
      kind,
      parent,
      attributes: { "rpc.system": "aegis", "rpc.service": service, "rpc.method": method },
    });
  }

  /** The span of the publishing or the handling of an event. */
  startEvent(
    kind: "producer" | "consumer",
    type: string,
    parent: string | undefined,
  ): CallSpan | undefined {
    const operation = kind === "producer" ? "publish" : "process";
    return this.#start(`${operation} ${type}`, {
      kind,
      parent,
      attributes: {
        "messaging.system": "nats",
        "messaging.operation.type": operation,
        "messaging.destination.name": type,
      },
    });
  }

  /** The span of the sending of a command, or of an attempt to run it. */
  startCommand(
    kind: "producer" | "consumer",
    service: string,
    command: string,
    parent: string | undefined,
  ): CallSpan | undefined {
    const operation = kind === "producer" ? "send" : "process";
    return this.#start(`${operation} ${service}/${command}`, {
      kind,
      parent,
      attributes: {
        "messaging.system": "nats",
        "messaging.operation.type": operation,
        "messaging.destination.name": `${service}/${command}`,
      },
    });
  }

  #start(name: string, options: SpanOptions): CallSpan | undefined {
    try {
      const span = this.#tracer.start(name, options);
      const { traceparent } = span;
      const known = typeof traceparent === "string" && traceIdOf(traceparent) !== undefined;
      return {
        traceparent: known ? traceparent : undefined,
        end: (error) => this.#end(span, name, error),
      };
    } catch (error) {
      this.#logger.warn("The tracer threw an error", { error, span: name });
      return undefined;
    }
  }

  #end(span: Span, name: string, reason: unknown): void {
    try {
      span.end(reason);
    } catch (error) {
      // A call has ended well or badly already; a tracer of the program's own does not change that.
      this.#logger.warn("The tracer threw an error", { error, span: name });
    }
  }
}
