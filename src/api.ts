// The public surface: everything that the full entries share.

export { AegisError, ClosedError, NotActiveError, RpcError } from "./domain/error.ts";
export {
  SerializationError,
  TimeoutError,
  UnavailableError,
  ValidationError,
} from "./domain/error.ts";
export type { ErrorOptions, Issue } from "./domain/error.ts";
export type { Envelope } from "./domain/envelope.ts";
export type { Jsonified, JsonKnown, JsonMissing, JsonWritten } from "./domain/jsonified.ts";
export type { RetryPolicy } from "./domain/retry.ts";
export type {
  InputOf,
  OutputOf,
  Schema,
  SchemaIssue,
  SchemaProps,
  SchemaResult,
} from "./domain/schema.ts";

export { rpc } from "./app/rpc.ts";
export type { Frozen, RpcHandler, RpcOptions } from "./app/rpc.ts";
export { createService } from "./app/service.ts";
export type { Service } from "./app/service.ts";
export type {
  ServiceHealth,
  ServiceHooks,
  ServiceOptions,
  ServiceStatus,
  StopOptions,
} from "./app/service_options.ts";
export { createClient } from "./app/client.ts";
export type { Client, ClientOptions } from "./app/client.ts";
export type {
  Call,
  CallArguments,
  CallOptions,
  Context,
  HandlerOf,
  MethodOf,
  ParamsOf,
  ResultOf,
  ServiceClient,
  Typed,
  TypesOf,
} from "./app/context.ts";
export type {
  ClientCall,
  ClientMiddleware,
  Middleware,
  ServerCall,
  ServerMiddleware,
} from "./app/middleware.ts";
export type { Bus, BusHealth } from "./app/bus.ts";
export { run } from "./run.ts";
export type { Runnable } from "./run.ts";

export { createLogger } from "./adapters/system/logger.ts";
export type { LoggerOptions, LogLevel } from "./adapters/system/logger.ts";
export { createMetrics } from "./adapters/system/metrics.ts";
export type { MetricsOptions } from "./adapters/system/metrics.ts";

export type { Clock, Timer } from "./ports/clock.ts";
export type { Codec } from "./ports/codec.ts";
export type { LogFields, Logger, LoggerLike } from "./ports/logger.ts";
export type { Message, Messaging, SubscribeOptions, Subscription } from "./ports/messaging.ts";
export type {
  Labels,
  Metrics,
  MetricsSnapshot,
  ReadableMetrics,
  Series,
  Summary,
} from "./ports/metrics.ts";
export type { ConnectOptions, NatsConnectionLike, TlsOptions } from "./ports/options.ts";
export type { Span, SpanOptions, Tracer } from "./ports/tracer.ts";
export type { BusStatus, ServerInfo, Transport, TransportKind } from "./ports/transport.ts";
