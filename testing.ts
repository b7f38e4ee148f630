/**
 * What tests of services and of adapters need: an embedded transport that can be cut, faults of a network, a clock
 * that is moved by hand, captured logs, and the contract that a transport of one's own must hold.
 *
 * @example A service is called while its answers are lost
 * ```ts
 * import { connect, createClient, createService, rpc, TimeoutError } from "@aegis/sdk";
 * import { createMemoryTransport, MemoryBroker, withFaults } from "@aegis/sdk/testing";
 * import { rejects } from "node:assert/strict";
 *
 * const broker = new MemoryBroker();
 * const lossy = withFaults(createMemoryTransport(broker), {
 *   drop: ({ subject }) => subject.startsWith("_INBOX."),
 * });
 * await using there = await connect({ transport: lossy });
 * await using here = await connect({ transport: createMemoryTransport(broker) });
 * await using service = createService("greeter", { bus: there, handlers: [rpc("hello", () => "Hello")] });
 * await service.start();
 *
 * const client = createClient({ bus: here });
 * await rejects(client.call("greeter", "hello", {}, { timeoutMs: 20 }), TimeoutError);
 * ```
 *
 * @module
 */

import { createClock } from "./src/adapters/system/clock.ts";
import type { Transport } from "./src/ports/transport.ts";
import type { Case } from "./src/testing/contract_tools.ts";
import { kvCases } from "./src/testing/kv_contract.ts";
import type { KvCase } from "./src/testing/kv_tools.ts";
import { type Faults, faulty } from "./src/testing/faults.ts";
import { streamCases } from "./src/testing/stream_contract.ts";

export { MemoryBroker } from "./src/adapters/memory/broker.ts";
export type { Interest, MemoryMessage } from "./src/adapters/memory/broker.ts";
export type { BrokerClock } from "./src/adapters/memory/broker_clock.ts";
export { createMemoryTransport } from "./src/adapters/memory/transport.ts";
export type { MemoryTransport } from "./src/adapters/memory/transport.ts";
export { captureLogs } from "./src/testing/capture_logs.ts";
export type { CapturedLogs, LogLine } from "./src/testing/capture_logs.ts";
export type { Case } from "./src/testing/contract_tools.ts";
export type { Faults, PublishedMessage } from "./src/testing/faults.ts";
export type { KvCase, KvStore } from "./src/testing/kv_tools.ts";
export { ManualClock } from "./src/testing/manual_clock.ts";
export { messagingContract } from "./src/testing/messaging_contract.ts";

/**
 * What a transport with `streams` must do, case by case, beside {@linkcode messagingContract}. `open` makes a new
 * connection to one and the same broker each time it is called; each case closes those that it opened, uses streams and
 * subjects of its own, and removes its streams. A case that does not hold rejects.
 *
 * Rules about time take the time that they are about: the slowest case takes some seconds. A case removes a stream by a
 * request to `$JS.API.STREAM.DELETE.{stream}`, whose answer it awaits.
 *
 * @example An adapter of one's own proves itself
 * ```ts
 * import type { Transport } from "@aegis/sdk";
 * import { streamContract } from "@aegis/sdk/testing";
 * import { test } from "node:test";
 *
 * function prove(open: () => Promise<Transport>): void {
 *   for (const { name, run } of streamContract) test(`mine: ${name}`, () => run(open));
 * }
 * ```
 */
export const streamContract: readonly Case[] = streamCases(createClock());

/**
 * What the KV store does on every broker, case by case: a transport with `streams` that holds {@linkcode streamContract}
 * holds this as well, and these are the rules that programs rely on. `open` makes a new bus on one and the same broker each
 * time it is called; each case closes those that it opened, and uses a bucket of its own, which it leaves behind.
 *
 * @example A transport of one's own proves itself
 * ```ts
 * import { connect, type Transport } from "@aegis/sdk";
 * import { kvContract } from "@aegis/sdk/testing";
 * import { test } from "node:test";
 *
 * function prove(openMine: () => Promise<Transport>): void {
 *   const open = async () => await connect({ transport: await openMine() });
 *   for (const { name, run } of kvContract) test(`mine: ${name}`, () => run(open));
 * }
 * ```
 */
export const kvContract: readonly KvCase[] = kvCases(createClock());

/**
 * A transport that loses, delays or doubles what is published through it, for `connect({ transport })`. It is the
 * same connection as `transport` otherwise, which it closes when it is closed.
 *
 * @throws {TypeError} for a fault that there is none of.
 *
 * @example Requests that come twice
 * ```ts
 * import { connect, createClient, createService, rpc } from "@aegis/sdk";
 * import { createMemoryTransport, withFaults } from "@aegis/sdk/testing";
 * import { strictEqual } from "node:assert/strict";
 *
 * const transport = withFaults(createMemoryTransport(), {
 *   duplicate: ({ subject }) => subject.startsWith("rpc."),
 * });
 * await using bus = await connect({ transport });
 * let runs = 0;
 * await using service = createService("counter", { bus, handlers: [rpc("count", () => ++runs)] });
 * await service.start();
 *
 * strictEqual(await createClient({ bus }).call("counter", "count"), 1);
 * strictEqual(runs, 2);
 * ```
 */
export function withFaults(transport: Transport, faults: Faults): Transport {
  return faulty(transport, faults, faults.clock ?? createClock());
}
