// The registry on a server: instances that are killed, stopped, and lose their server's data.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { AegisError, type Bus, connect, createClient, createService, rpc } from "../../mod.ts";
import { instancePrefix, REGISTRY_BUCKET } from "../../src/domain/instance.ts";
import { watchChild } from "../../tools/guard.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import { findDeno, findNode } from "../../tools/runtime.ts";
import { logger, pause, until } from "./outage_tools.ts";

const PROGRAM = fileURLToPath(new URL("registry_program.ts", import.meta.url));
const TTL_MS = 2_000;
const runtime = "Deno" in globalThis ? await findDeno() : await findNode();
const hello = rpc("hello", () => "hello");

/** The ids of the instances that are in the registry, as anybody reads it. */
async function instances(bus: Bus): Promise<string[]> {
  const kv = await bus.kv(REGISTRY_BUCKET);
  return (await kv.keys(instancePrefix())).map((key) => key.split("__")[2]!);
}

/** An instance in a process of its own; resolves when it has started. */
async function spawnInstance(
  server: NatsServer,
  instanceId: string,
  ttlMs: number,
): Promise<ChildProcess> {
  const flags = runtime.name === "deno" ? ["run", "-A", "-q"] : [];
  const child = spawn(runtime.bin, [...flags, PROGRAM, server.url, instanceId, `${ttlMs}`], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  watchChild(child);
  await new Promise((resolve, reject) => {
    child.stdout.once("data", resolve);
    child.once("close", () => reject(new Error(`${instanceId} did not start`)));
  });
  return child;
}

test("an instance that was killed is gone within its ttl, and one that was stopped at once", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const killed = await spawnInstance(server, "killed", TTL_MS);
  const stopped = await spawnInstance(server, "stopped", 60_000);
  deepStrictEqual(await instances(bus), ["killed", "stopped"]);
  // For longer than the ttl it stays.
  await pause(TTL_MS * 1.5);
  deepStrictEqual(await instances(bus), ["killed", "stopped"]);
  process.kill(killed.pid!, "SIGKILL");
  const killedAt = performance.now();
  process.kill(stopped.pid!, "SIGTERM");
  await new Promise((resolve) => stopped.once("close", resolve));
  ok(!(await instances(bus)).includes("stopped"));
  await until("the killed one is gone", async () => (await instances(bus)).length === 0);
  const ms = performance.now() - killedAt;
  ok(ms < TTL_MS + 1_000, `${ms} ms`);
});

test("a server that lost all that it had stored has it again within a heartbeat", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const registry = { ttlMs: 6_000, heartbeatIntervalMs: 1_000 };
  const options = { bus, handlers: [hello], instanceId: "one", registry };
  await using service = createService("svc", options);
  await service.start();
  await server.kill();
  await rm(server.storeDir, { recursive: true });
  await server.restart();
  await until("the bus is back", () => bus.status === "connected");
  const backAt = performance.now();
  await until("the record is back", async () => (await instances(bus)).length === 1);
  const ms = performance.now() - backAt;
  ok(ms < registry.heartbeatIntervalMs + 1_000, `${ms} ms`);
  await until("it is well", async () => (await service.health()).registry?.ok === true);
});

test("a record that somebody removed is back after a heartbeat", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const registry = { ttlMs: 1_000, heartbeatIntervalMs: 250 };
  await using service = createService("svc", { bus, handlers: [hello], registry });
  await service.start();
  const kv = await bus.kv(REGISTRY_BUCKET);
  strictEqual(await kv.clear(), 1);
  await until("the record is back", async () => (await instances(bus)).length === 1, 1_500);
});

test("a bucket that somebody removed is there again after a heartbeat", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const registry = { ttlMs: 3_000, heartbeatIntervalMs: 500 };
  await using service = createService("svc", { bus, handlers: [hello], registry });
  await service.start();
  const other = await connectNats({ servers: server.url });
  try {
    ok(await (await jetstreamManager(other)).streams.delete(`KV_${REGISTRY_BUCKET}`));
  } finally {
    await other.close();
  }
  await until("the record is back", async () => (await instances(bus)).length === 1, 2_000);
  await until("it is well", async () => (await service.health()).registry?.ok === true);
});

test("an outage longer than the ttl: the record is back when the bus is", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const registry = { ttlMs: 1_000, heartbeatIntervalMs: 400 };
  await using service = createService("svc", { bus, handlers: [hello], registry });
  await service.start();
  await server.kill();
  await pause(2_000);
  strictEqual((await service.health()).registry?.ok, false);
  await server.restart();
  await until("the record is back", async () => (await instances(bus)).length === 1);
  await until("it is well", async () => (await service.health()).registry?.ok === true);
});

test("without JetStream a service starts, serves, and says that nobody discovers it", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const lines: string[] = [];
  const warned = { debug() {}, info() {}, warn: (text: string) => lines.push(text), error() {} };
  await using bus = await connect({ servers: server.url, logger: warned });
  await using service = createService("svc", { bus, handlers: [hello] });
  await service.start();
  strictEqual(await createClient({ bus }).call("svc", "hello"), "hello");
  const { ok: isOk, registry } = await service.health();
  strictEqual(isOk, true);
  strictEqual(registry?.ok, false);
  ok(AegisError.is(registry.error, "JETSTREAM_DISABLED"), `${registry.error}`);
  strictEqual(lines.length, 1, lines.join("\n"));
  ok(lines[0]!.includes("is not in the registry"), lines[0]);
});

test("without permission for the bucket a service starts, serves, and warns", async () => {
  await using server = await startNatsServer({
    config: `authorization { users: [
      { user: "rpc", password: "r", permissions: {
        publish: ["rpc.>", "_INBOX.>"], subscribe: ["rpc.>", "internal.rpc.>", "_INBOX.>"] } }
      { user: "reader", password: "r", permissions: {
        publish: { deny: ["$KV.service_registry.>"] } } }
    ] }`,
  });
  for (const user of ["rpc", "reader"]) {
    const lines: string[] = [];
    const warned = { debug() {}, info() {}, warn: (text: string) => lines.push(text), error() {} };
    await using bus = await connect({ servers: server.url, user, pass: "r", logger: warned });
    await using service = createService(user, { bus, handlers: [hello] });
    const began = performance.now();
    await service.start();
    ok(performance.now() - began < 3_000);
    strictEqual(await createClient({ bus }).call(user, "hello"), "hello");
    const { ok: isOk, registry } = await service.health();
    strictEqual(isOk, true);
    ok(AegisError.is(registry?.error, "PERMISSION_DENIED"), `${registry?.error}`);
    strictEqual(lines.filter((line) => line.includes("is not in the registry")).length, 1);
  }
});

test("with registry: false nothing is stored, and nothing is said", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  await using service = createService("svc", { bus, handlers: [hello], registry: false });
  await service.start();
  strictEqual((await service.health()).registry, undefined);
  deepStrictEqual(await instances(bus), []);
});
