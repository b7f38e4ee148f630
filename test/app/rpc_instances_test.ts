// Instances: calls shared among them, and calls of one of them.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { createClient, createService, rpc, UnavailableError } from "../../mod.ts";
import { arrived, both, errorOf } from "./buses.ts";

const who = rpc("who", (_, { instanceId }) => instanceId);

both("calls are shared among the instances of a service", async ({ client, open }) => {
  const services = await Promise.all(["a", "b", "c"].map(async (instanceId) => {
    const service = createService("shop", { bus: await open(), handlers: [who], instanceId });
    await service.start();
    return service;
  }));
  const caller = createClient({ bus: client });
  const counts = new Map<string, number>();
  const answers = await Promise.all(
    Array.from({ length: 300 }, () => caller.call<string>("shop", "who")),
  );
  for (const instance of answers) counts.set(instance, (counts.get(instance) ?? 0) + 1);
  deepStrictEqual([...counts.keys()].sort(), ["a", "b", "c"]);
  ok([...counts.values()].every((count) => count > 40), JSON.stringify([...counts]));
  await Promise.all(services.map((service) => service.stop()));
});

both("two instances on one bus share the calls", async ({ client, serve }) => {
  await serve("shop", [who], { instanceId: "a" });
  await serve("shop", [who], { instanceId: "b" });
  const caller = createClient({ bus: client });
  const answers = await Promise.all(
    Array.from({ length: 100 }, () => caller.call<string>("shop", "who")),
  );
  deepStrictEqual([...new Set(answers)].sort(), ["a", "b"]);
  strictEqual(answers.length, 100);
});

both("each instance has an id of its own, one subject token", ({ server }) => {
  const ids = Array.from(
    { length: 5 },
    () => createService("shop", { bus: server, handlers: [] }).instanceId,
  );
  strictEqual(new Set(ids).size, 5);
  for (const id of ids) ok(/^shop-[a-z0-9]+$/i.test(id), id);
});

both("a call of one instance reaches that instance alone", async ({ client, serve, open }) => {
  await serve("shop", [who], { instanceId: "a" });
  const other = createService("shop", { bus: await open(), handlers: [who], instanceId: "b_2-x" });
  await other.start();
  const caller = createClient({ bus: client });
  for (const instance of ["a", "b_2-x"]) {
    for (let i = 0; i < 10; i++) {
      strictEqual(await caller.call("shop", "who", {}, { instance }), instance);
    }
  }
  await other.stop();
});

both("a call of an instance that is not there fails at once", async ({ client, serve }) => {
  await serve("shop", [who], { instanceId: "a" });
  const started = performance.now();
  const error = await errorOf(
    createClient({ bus: client }).call("shop", "who", {}, { instance: "gone" }),
  );
  ok(error instanceof UnavailableError);
  ok(performance.now() - started < 200);
  ok(error.message.includes("gone"), `it names the instance: ${error.message}`);
});

both(
  "a call of a method that an instance has not is refused by name",
  async ({ client, serve }) => {
    await serve("shop", [who], { instanceId: "a" });
    const caller = createClient({ bus: client });
    await rejects(caller.call("shop", "nothing", {}, { instance: "a" }), {
      code: "INVALID_REQUEST",
      message: /shop\.nothing/,
    });
    strictEqual(await caller.call("shop", "who", {}, { instance: "a" }), "a");
  },
);

both("a call of one instance is taken back like any other", async ({ client, server, serve }) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  await serve("shop", [
    rpc(
      "wait",
      (_, { signal }) =>
        new Promise<void>((ended) =>
          signal.addEventListener("abort", () => {
            resolve();
            ended();
          })
        ),
    ),
  ], { instanceId: "a" });
  const controller = new AbortController();
  const calling = createClient({ bus: client }).call("shop", "wait", {}, {
    instance: "a",
    signal: controller.signal,
  });
  await arrived({ client, server });
  controller.abort("enough");
  strictEqual(await errorOf(calling), "enough");
  await promise;
});

both(
  "calls pass over to an instance that is left when another stops",
  async ({ client, serve, open }) => {
    await serve("shop", [who], { instanceId: "stays" });
    const leaving = createService("shop", {
      bus: await open(),
      handlers: [who],
      instanceId: "goes",
    });
    await leaving.start();
    const caller = createClient({ bus: client });
    let stopped = false;
    const stopping = leaving.stop().then(() => stopped = true);
    const answers: string[] = [];
    while (!stopped) {
      answers.push(
        ...await Promise.all(Array.from({ length: 20 }, () => caller.call<string>("shop", "who"))),
      );
    }
    await stopping;
    ok(answers.length > 0);
    for (let i = 0; i < 20; i++) strictEqual(await caller.call("shop", "who"), "stays");
  },
);
