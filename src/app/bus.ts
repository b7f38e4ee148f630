// The bus: a connection with everything that runs on it.

import { show } from "../domain/check.ts";
import { REGISTRY_BUCKET } from "../domain/instance.ts";
import type { Kv, KvOptions } from "../ports/kv.ts";
import type { BusStatus, ServerInfo, TransportKind } from "../ports/transport.ts";
import type { ReadableMetrics } from "../ports/metrics.ts";
import { Caller } from "./caller.ts";
import { CommandRecords } from "./command_records.ts";
import { CommandSender } from "./command_sender.ts";
import { CommandTracker } from "./command_tracker.ts";
import { BusStreams } from "./bus_streams.ts";
import { LaterBuckets } from "./kv_later.ts";
import type { FeedHealth } from "./kv_event.ts";
import { Directory } from "./discovery_directory.ts";
import { Listening } from "./listening.ts";
import { Parking } from "./parking.ts";
import { Publisher } from "./publisher.ts";
import { RegistryNotices } from "./registry_notices.ts";
import { Routes } from "./routes.ts";
import { assertHere, type Runtime } from "./runtime.ts";

/** How a bus is doing. */
export interface BusHealth {
  /** Whether messages can be sent now. */
  readonly ok: boolean;
  /** Whether the server is there. */
  readonly status: BusStatus;
  /** The time of a round trip to it, in milliseconds; undefined when none came back. */
  readonly roundTripMs: number | undefined;
  /** The server; the last one known while it is away. */
  readonly server: ServerInfo;
  /** How often the connection came back after a break. */
  readonly reconnects: number;
  /**
   * What went wrong last with the connection, such as `"Authorization Violation"`; it stays when the bus is back, for
   * `status` says that it is. Undefined when nothing did.
   */
  readonly lastError: string | undefined;
  /** How many calls wait for their answers. */
  readonly callsInFlight: number;
  /** How what its watches follow is doing, that of discovery among it. */
  readonly watches: readonly FeedHealth[];
}

/**
 * A connection, from `connect()` to `close()`.
 *
 * @example
 * ```ts
 * import { connect } from "@aegis/sdk";
 * import { deepStrictEqual, strictEqual } from "node:assert/strict";
 *
 * const seen: string[] = [];
 * const bus = await connect({ servers: "memory:" });
 * bus.onStatus((status) => seen.push(status)); // "reconnecting" and "connected" in an outage
 * strictEqual((await bus.health()).ok, true);
 * await bus.close(); // or `await using bus`
 * deepStrictEqual([bus.status, seen.at(-1)], ["closed", "closed"]);
 * ```
 */
export interface Bus extends AsyncDisposable {
  /** Whether the server is there; `"closed"` is final. */
  readonly status: BusStatus;
  /** What carries the messages. */
  readonly transport: TransportKind;
  /** What the server is and can do. */
  readonly server: ServerInfo;
  /** What is measured, unless `connect({ metrics })` was given metrics that cannot be read back. */
  readonly metrics: ReadableMetrics;
  /** Asks the server for a round trip and says how the bus is doing. It never rejects. */
  health(): Promise<BusHealth>;
  /**
   * Opens a bucket of keys and values, which is made where it is not there. One that anybody else has made, with the tools
   * of NATS too, is used as it is: what of `options` differs is changed where that takes nothing away, such as a longer
   * history.
   *
   * @param name letters, digits, `_` and `-`, at most 250
   * @throws {ConflictError} when the bucket cannot be as it is asked for.
   * @throws {TypeError | RangeError} for a name or options that cannot be.
   * @throws {UnavailableError} when the bus is away for longer than `timeoutMs` (5,000).
   *
   * @example
   * ```ts
   * import { connect } from "@aegis/sdk";
   * import { deepStrictEqual } from "node:assert/strict";
   *
   * await using bus = await connect({ servers: "memory:" });
   * const users = await bus.kv("users", { history: 5 });
   * const revision = await users.put("user:123", { name: "John" });
   * await users.put("user:123", { name: "Jane" }, { revision }); // ConflictError when someone was faster
   * deepStrictEqual((await users.get("user:123"))?.value, { name: "Jane" });
   * deepStrictEqual(await users.keys("user:"), ["user:123"]);
   * ```
   */
  kv<T = unknown>(name: string, options?: KvOptions<T>): Promise<Kv<T>>;
  /** Calls `listener` at each change of status; what it returns ends that. What a listener throws is logged. */
  onStatus(listener: (status: BusStatus) => void): () => void;
  /** Sends what is still to be sent and closes. Calls that wait end with a `ClosedError`; stop services before. */
  close(): Promise<void>;
}

/** What a bus lends to services and clients. */
export interface BusParts {
  /** Its ports and settings. */
  readonly runtime: Runtime;
  /** What sends its calls. */
  readonly caller: Caller;
  /** What knows when this process listens to it. */
  readonly listening: Listening;
  /** The methods that were called on it. */
  readonly routes: Routes;
  /** Its streams. */
  readonly busStreams: BusStreams;
  /** What publishes events on it. */
  readonly publisher: Publisher;
  /** The records of commands, for whoever is neither a sender nor a service. */
  readonly records: CommandRecords;
  /** What sends commands on it. */
  readonly commandSender: CommandSender;
  /** What follows commands on it. */
  readonly tracker: CommandTracker;
  /** What sends the notices of its instances. */
  readonly notices: RegistryNotices;
  /** Opens the bucket of the registry. */
  readonly openRegistry: () => Promise<Kv>;
  /** Its buckets, for whoever opens one in a way of its own, and how their watches are doing. */
  readonly buckets: LaterBuckets;
  /** Who is there, as the registry tells. */
  readonly directory: Directory;
}

/** How long a health check waits for the server, in milliseconds. */
const HEALTH_MS = 2_000;

const PARTS = new WeakMap<Bus, BusParts>();

/** A bus over a transport. */
export function createBus(runtime: Runtime, metrics: ReadableMetrics): Bus {
  const { transport, clock } = runtime;
  const caller = new Caller(runtime);
  let reconnects = 0;
  transport.onStatus((status) => {
    if (status === "connected") reconnects++;
    // A worker has one for each request, whose end is no news.
    const calm = runtime.request === undefined ? "info" : "debug";
    runtime.logger[status === "reconnecting" ? "warn" : calm](`The bus is ${status}`, {
      server: transport.server.address,
    });
  });
  const roundTrip = (): Promise<number | Error | undefined> =>
    new Promise((resolve) => {
      const timer = clock.setTimer(HEALTH_MS, () => resolve(undefined));
      transport.ping().catch((error: Error) => error).then((answer) => {
        timer.cancel();
        resolve(answer);
      });
    });
  const bus: Bus = {
    get status() {
      return transport.status;
    },
    transport: transport.kind,
    get server() {
      return transport.server;
    },
    metrics,
    async health() {
      const answer = transport.status === "connected" ? await roundTrip() : undefined;
      const roundTripMs = typeof answer === "number" ? answer : undefined;
      const { status } = transport;
      return {
        ok: status === "connected" && roundTripMs !== undefined,
        status,
        roundTripMs,
        server: transport.server,
        reconnects,
        lastError: answer instanceof Error ? answer.message : transport.lastError,
        callsInFlight: caller.inFlight,
        watches: buckets.health(),
      };
    },
    kv: (name, options) => buckets.open(name, options),
    onStatus: (listener) => transport.onStatus(listener),
    async close() {
      assertHere(runtime);
      caller.close();
      directory.feed.close();
      buckets.close();
      const closed = transport.close();
      if (runtime.request === undefined) await closed;
      else runtime.request.waitUntil(closed);
    },
    [Symbol.asyncDispose]: () => bus.close(),
  };
  const listening = new Listening(runtime);
  const busStreams = new BusStreams(runtime);
  const parking = new Parking(runtime);
  transport.onStatus((status) => {
    if (status !== "reconnecting") parking.wake();
  });
  const buckets = new LaterBuckets(runtime, parking);
  const openRegistry = (): Promise<Kv> => {
    // As the original writes and reads it, whatever this bus writes otherwise; and whoever has made it, as it is.
    const codec = runtime.codecs.find(({ name }) => name === "json") ?? runtime.codec;
    return buckets.open(REGISTRY_BUCKET, {}, { codec, adopt: true, lenient: true });
  };
  const directory = new Directory(runtime, {
    open: openRegistry,
    trouble: () =>
      buckets.health().find(({ bucket, live }) => bucket === REGISTRY_BUCKET && !live)?.error,
  });
  const stamp = { by: runtime.name, version: "0.0.0", yields: true };
  const records = new CommandRecords(runtime, busStreams, parking, stamp);
  const tracker = new CommandTracker(runtime, records);
  PARTS.set(Object.freeze(bus), {
    runtime,
    caller,
    listening,
    routes: new Routes(runtime),
    busStreams,
    publisher: new Publisher(runtime, busStreams),
    records,
    tracker,
    notices: new RegistryNotices(runtime),
    openRegistry,
    buckets,
    directory,
    commandSender: new CommandSender(runtime, busStreams, parking, tracker, records),
  });
  return bus;
}

/** Whether a value is what `connect()` gave. */
export function isBus(value: object): boolean {
  return PARTS.has(value as Bus);
}

/** The parts of a bus. @throws {TypeError} when it is none. */
export function partsOf(bus: unknown, what: string): BusParts {
  const parts = typeof bus === "object" && bus !== null ? PARTS.get(bus as Bus) : undefined;
  if (parts === undefined) {
    const reason = bus instanceof Promise
      ? "connect() gives a promise; write await connect()"
      : "it must be what connect() of this copy of @aegis/sdk gave";
    throw new TypeError(`Cannot use ${show(bus)} as the "bus" of ${what}: ${reason}`);
  }
  return parts;
}
