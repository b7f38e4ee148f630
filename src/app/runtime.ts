// What a bus lends to the capabilities that run on it.

import type { Clock } from "../ports/clock.ts";
import type { Codec } from "../ports/codec.ts";
import type { Logger } from "../ports/logger.ts";
import type { Message } from "../ports/messaging.ts";
import type { Metrics } from "../ports/metrics.ts";
import type { RequestContext } from "../ports/options.ts";
import type { Random } from "../ports/random.ts";
import type { Transport } from "../ports/transport.ts";
import { SerializationError } from "../domain/error.ts";
import type { FreshFields } from "../domain/envelope.ts";
import { commandJson, type CommandMessage, commandValue } from "../domain/command.ts";
import { eventJson, type EventMessage, eventValue } from "../domain/event.ts";
import {
  requestJson,
  requestValue,
  responseJson,
  responseValue,
  type RpcRequest,
  type RpcResponse,
} from "../domain/message.ts";
import type { StreamsOptions } from "../domain/stream_options.ts";
import type { Spans } from "./spans.ts";

/** The ports of one bus, and its settings. */
export interface Runtime {
  /** The name that messages give as their source. */
  readonly name: string;
  /** The connection. */
  readonly transport: Transport;
  /** Time and timers. */
  readonly clock: Clock;
  /** Identifiers and jitter. */
  readonly random: Random;
  /** The codec that this side writes with. */
  readonly codec: Codec;
  /** The codecs that it understands; a body is read by the first that accepts it. */
  readonly codecs: readonly Codec[];
  /** Where logs go. */
  readonly logger: Logger;
  /** Where measurements go. */
  readonly metrics: Metrics;
  /** What makes spans, if tracing is on. */
  readonly spans: Spans | undefined;
  /** What fills in for the fields that a sender may leave out. */
  readonly fresh: FreshFields;
  /** How many servers keep each stream that is made. */
  readonly replicas: number;
  /** How streams are set up. */
  readonly streams: StreamsOptions;
  /** Who waits for the end of the connection, so that whoever closes the bus need not. */
  readonly request?: RequestContext | undefined;
}

/**
 * Asks before anything is waited for that would never come.
 *
 * @throws {TypeError} in another request than that of the connection, where requests cannot share one.
 */
export function assertHere({ transport }: Runtime): void {
  void transport.messaging.connected;
}

/** The codec that a body is in, told by its first byte. @throws {SerializationError} when it is in none of them. */
export function codecOf(runtime: Runtime, message: Message): Codec {
  const { ascii } = message;
  const first = ascii === undefined ? message.data[0] : ascii.charCodeAt(0);
  if (first === undefined || Number.isNaN(first)) {
    throw new SerializationError("Cannot read the body: it is empty");
  }
  const { codecs } = runtime;
  for (let i = 0; i < codecs.length; i++) {
    const codec = codecs[i]!;
    if (codec.accepts(first)) return codec;
  }
  throw new SerializationError(
    "Cannot read the body: it is MessagePack, which this entry understands with connect({ codec: msgpack() }) from @aegis/sdk/msgpack",
  );
}

/** The text of a body in plain JSON. @throws {SerializationError} when it is no text. */
export function textOf(codec: Codec, message: Message): string | undefined {
  return codec.text === undefined ? undefined : message.ascii ?? codec.text(message.data);
}

/** The value that a body holds. @throws {SerializationError} when it holds none. */
export function decodeBody(codec: Codec, message: Message): unknown {
  const text = textOf(codec, message);
  if (text !== undefined) {
    try {
      return JSON.parse(text);
    } catch {
      // The codec says what is wrong.
    }
  }
  return codec.decode(message.data);
}

/** The bytes of a request. @throws {SerializationError} when its parameters have no encoding. */
export function encodeRequest(codec: Codec, request: RpcRequest): string | Uint8Array {
  if (codec.text !== undefined) {
    const params = codec.encode(request.params);
    if (typeof params === "string") return requestJson(request, params);
  }
  return codec.encode(requestValue(request));
}

/** The bytes of a response. @throws {SerializationError} when its result has no encoding. */
export function encodeResponse(codec: Codec, response: RpcResponse): string | Uint8Array {
  if (codec.text !== undefined) {
    const result = codec.encode(response.result);
    if (typeof result === "string") return responseJson(response, result);
  }
  return codec.encode(responseValue(response));
}

/** The bytes of an event. @throws {SerializationError} when its payload has no encoding. */
export function encodeEvent(codec: Codec, event: EventMessage): string | Uint8Array {
  if (codec.text !== undefined) {
    const payload = codec.encode(event.payload);
    if (typeof payload === "string") return eventJson(event, payload);
  }
  return codec.encode(eventValue(event));
}

/** The bytes of a command. @throws {SerializationError} when its payload has no encoding. */
export function encodeCommand(codec: Codec, command: CommandMessage): string | Uint8Array {
  if (codec.text !== undefined) {
    const payload = codec.encode(command.payload);
    if (typeof payload === "string") return commandJson(command, payload);
  }
  return codec.encode(commandValue(command));
}
