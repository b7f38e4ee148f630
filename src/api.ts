// The public surface: everything that the full entries share.

export {
  AegisError,
  ClosedError,
  CommandError,
  ConflictError,
  NotActiveError,
  RpcError,
} from "./domain/error.ts";
export {
  QueueFullError,
  SerializationError,
  TimeoutError,
  UnavailableError,
  ValidationError,
} from "./domain/error.ts";
export type { CommandErrorOptions, ErrorOptions, Issue } from "./domain/error.ts";
export type { Envelope } from "./domain/envelope.ts";
export type { Frozen } from "./domain/frozen.ts";
export type { Jsonified, JsonKnown, JsonMissing, JsonWritten } from "./domain/jsonified.ts";
export type { DeadLetterError, DeadLetterFacts, DeadLetterReason } from "./domain/dead_letter.ts";
export type { Priority } from "./domain/command.ts";
export type {
  CommandFailure,
  CommandRecord,
  CommandState,
  ProgressStep,
} from "./domain/command_record.ts";
export type { CircuitOptions } from "./domain/circuit.ts";
export type { SelectStrategy } from "./domain/selection.ts";
export type { DeliverFrom } from "./domain/deliver_from.ts";
export type { InstanceLoad, InstanceStatus, ServedBy, ServiceInstance } from "./domain/instance.ts";
export type { ResolvedRetryPolicy, RetryPolicy } from "./domain/retry.ts";
export type { StreamOptions, StreamsOptions } from "./domain/stream_options.ts";
export type {
  InputOf,
  OutputOf,
  Schema,
  SchemaIssue,
  SchemaProps,
  SchemaResult,
} from "./domain/schema.ts";

export { rpc } from "./app/rpc.ts";
export type { RpcHandler, RpcOptions } from "./app/rpc.ts";
export { failover } from "./domain/lease_policy.ts";
export type { FailoverPolicy } from "./domain/lease_policy.ts";
export type { SingleActiveOptions } from "./app/election_options.ts";
export type { LeadershipHealth } from "./app/election_serving.ts";
export { command } from "./app/command.ts";
export type {
  CommandContext,
  CommandHandler,
  CommandOptions,
  CommandSettings,
  ReceivedCommand,
} from "./app/command.ts";
export type {
  CommandHandle,
  ResultOptions,
  Send,
  SendArguments,
  SendOptions,
  SentBy,
  SignalOptions,
} from "./app/command_types.ts";
export type { CommandHealth } from "./app/command_serving.ts";
export { event } from "./app/event.ts";
export type { EventDefinition, EventOptions, NewEvent } from "./app/event.ts";
export { on } from "./app/on.ts";
export type {
  EventHandler,
  EventSettings,
  EventsFrom,
  OnHandler,
  OnOptions,
  ReceivedEvent,
} from "./app/on.ts";
export type {
  DeadLetter,
  DeadLetterBox,
  DeadLetterFilter,
  DeadLetterOptions,
} from "./app/dead_letter_types.ts";
export type {
  PublishMany,
  PublishManyOptions,
  PublishManyResult,
  PublishOutcome,
} from "./app/publish_many.ts";
export { ensureTopology } from "./app/topology.ts";
export type { Topology, TopologyOptions } from "./app/topology.ts";
export type { TopologyChange, TopologyStep } from "./app/resources.ts";
export type { Publish, PublishedEvent, PublishOptions } from "./app/event_types.ts";
export type { EventHealth } from "./app/subscribers.ts";
export type { SourceHealth } from "./app/source.ts";
export { createService } from "./app/service.ts";
export type { Service } from "./app/service.ts";
export type {
  ServiceHealth,
  ServiceHooks,
  ServiceOptions,
  ServiceStatus,
  StopOptions,
} from "./app/service_options.ts";
export type { FeedHealth } from "./app/kv_event.ts";
export type { HealthProblem, HealthReport, MetricsReport } from "./app/built_in.ts";
export type { RegistryHealth } from "./app/registry.ts";
export type { RegistryOptions } from "./app/registry_options.ts";
export { createDiscovery } from "./app/discovery.ts";
export type { Discovery, DiscoveryHealth, DiscoveryOptions } from "./app/discovery.ts";
export type { DiscoverOptions, SelectOptions, WatchOptions } from "./app/discovery_options.ts";
export type { InstanceChange, InstanceWatch } from "./app/discovery_watch.ts";
export { createClient } from "./app/client.ts";
export type { Client, ClientOptions } from "./app/client.ts";
export type {
  Call,
  CallArguments,
  CallOptions,
  CommandHandlerOf,
  CommandOf,
  CommandTypesOf,
  Context,
  Handler,
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
export type {
  Kv,
  KvCallOptions,
  KvChange,
  KvDeleteOptions,
  KvEntry,
  KvOperation,
  KvOptions,
  KvOutcome,
  KvPutOptions,
  KvRevision,
  KvStatus,
  KvWatch,
  KvWatchOptions,
} from "./ports/kv.ts";
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
export type {
  ConnectOptions,
  NatsConnectionLike,
  RequestContext,
  TlsOptions,
} from "./ports/options.ts";
export type {
  ConsumerConfig,
  ConsumerState,
  Delivery,
  Follow,
  FollowFrom,
  FollowOptions,
  Ingest,
  IngestOptions,
  LastOptions,
  PublishAck,
  Pull,
  PullOptions,
  PurgeOptions,
  StoredMessage,
  StreamAdmin,
  StreamConfig,
  Streams,
  StreamState,
  StreamStore,
  StreamView,
} from "./ports/stream.ts";
export type { Span, SpanOptions, Tracer } from "./ports/tracer.ts";
export type { BusStatus, ServerInfo, Transport, TransportKind } from "./ports/transport.ts";
