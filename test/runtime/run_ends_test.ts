// When run() ends although no signal came.

import { deepStrictEqual, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type Bus, connect, createService, rpc, run, type Service } from "../../mod.ts";

const logger = { debug() {}, info() {}, warn() {}, error() {} };

async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms`)), ms);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

async function bus(): Promise<Bus> {
  return await connect({ servers: "memory:", logger });
}

function serviceOn(bus: Bus, name: string, onStarted?: (service: Service) => void) {
  const service: Service = createService(name, {
    bus,
    handlers: [rpc("hello", () => "hello")],
    hooks: { onStarted: () => onStarted?.(service) },
  });
  return service;
}

test("run() resolves when its bus was closed, and its services have stopped", async () => {
  const one = await bus();
  const services = ["a", "b"].map((name) => serviceOn(one, name));
  const running = run(...services);
  await services[1]!.start();
  await one.close();
  await within(2_000, running);
  deepStrictEqual(services.map(({ status }) => status), ["stopped", "stopped"]);
});

test("run() resolves when the last of its services was stopped, and not before", async () => {
  await using one = await bus();
  const services = ["a", "b"].map((name) => serviceOn(one, name));
  let over = false;
  const running = run(...services).then(() => {
    over = true;
  });
  await services[1]!.start();
  await services[0]!.stop();
  await new Promise((resolve) => setTimeout(resolve, 20));
  strictEqual(over, false);
  await services[1]!.stop();
  await within(2_000, running);
});

test("run() does not wait for services that stop as they start, nor for none", async () => {
  await using one = await bus();
  const service = serviceOn(one, "a", (service) => void service.stop());
  await within(2_000, run(service));
  strictEqual(service.status, "stopped");
  await within(2_000, run());
});

test("run() rejects with what a service throws that was stopped before", async () => {
  await using one = await bus();
  const [first, second] = [serviceOn(one, "a"), serviceOn(one, "b")];
  await second.stop();
  await within(2_000, rejects(run(first, second), { code: "CLOSED" }));
  strictEqual(first.status, "stopped");
});

test("run() of what does not say when it stops goes by where it stands", async () => {
  let status = "initializing";
  await within(
    2_000,
    run({
      get status() {
        return status;
      },
      start: () => Promise.resolve(void (status = "stopped")),
      stop: () => Promise.resolve(),
    }),
  );
});

test("run() rejects with the error of the start, also when a service that had started does not stop", async () => {
  const stopped: string[] = [];
  const service = (name: string, start?: Error, stop?: Error) => ({
    status: "initializing",
    start: () => start === undefined ? Promise.resolve() : Promise.reject(start),
    stop: () => {
      stopped.push(name);
      return stop === undefined ? Promise.resolve() : Promise.reject(stop);
    },
  });
  const services = [
    service("a"),
    service("b", undefined, new Error("it does not stop")),
    service("c", new Error("it does not start")),
  ];
  await rejects(within(2_000, run(...services)), /it does not start/);
  deepStrictEqual(stopped, ["b", "a"]);
});
