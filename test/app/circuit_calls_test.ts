// Circuits: calls of what keeps failing end at once, until it is seen to answer again.

import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import {
  type Bus,
  type CircuitOptions,
  type Client,
  createClient,
  createDiscovery,
  createMetrics,
  createService,
  type Handler,
  rpc,
  RpcError,
  UnavailableError,
} from "../../mod.ts";
import { ManualClock } from "../../testing.ts";
import { both, bothStreams, type Buses, errorOf, hang, on, until } from "./buses.ts";

const OPEN = "CIRCUIT_OPEN";

/** A method that fails as long as it is told to, and counts how often it is run. */
function flaky(): { readonly handler: Handler; fails: boolean; runs: number } {
  const state = {
    fails: true,
    runs: 0,
    handler: rpc("flaky", (_, { instanceId }) => {
      state.runs++;
      if (state.fails) throw new Error("broken");
      return instanceId;
    }),
  };
  return state;
}

const call = (client: Client, options = {}): Promise<unknown> =>
  client.call("shop", "flaky", {}, options);

async function fails(client: Client, times: number, options = {}): Promise<string[]> {
  const codes: string[] = [];
  for (let i = 0; i < times; i++) {
    codes.push((await errorOf(call(client, options)) as UnavailableError).code);
  }
  return codes;
}

async function startAt(bus: Bus, instanceId: string, handler: Handler): Promise<void> {
  await createService("shop", { bus, handlers: [handler], instanceId }).start();
}

both("nothing is kept from failing unless it is asked for", async ({ client: bus, serve }) => {
  const { handler } = flaky();
  await serve("shop", [handler]);
  deepStrictEqual(new Set(await fails(createClient({ bus }), 20)), new Set(["INTERNAL_ERROR"]));
});

both(
  "after too many failures calls end at once, and say when it is tried again",
  async ({ client: bus, serve }) => {
    const state = flaky();
    await serve("shop", [state.handler, rpc("fine", () => 1)]);
    const client = createClient({ bus, circuit: { failures: 3, openMs: 60_000 } });
    deepStrictEqual(await fails(client, 5), [
      "INTERNAL_ERROR",
      "INTERNAL_ERROR",
      "INTERNAL_ERROR",
      OPEN,
      OPEN,
    ]);
    strictEqual(state.runs, 3);
    const error = await errorOf(call(client));
    ok(error instanceof UnavailableError);
    match(
      error.message,
      /^Cannot call shop\.flaky: its circuit is open.*is tried again in \d+ ms$/,
    );
    const { retryAfterMs, ...details } = error.details;
    deepStrictEqual(details, { service: "shop", method: "flaky", sent: false });
    ok(retryAfterMs as number > 55_000 && retryAfterMs as number <= 60_000);
    strictEqual(await client.call("shop", "fine"), 1, "another method has a circuit of its own");
  },
);

on(
  "memory",
  "after its time one call is let through, and what that comes to decides",
  async ({ open, serve }) => {
    const clock = new ManualClock();
    const bus = await open({ clock });
    const state = flaky();
    await serve("shop", [state.handler], { registry: false });
    const client = createClient({ bus, circuit: { failures: 1, openMs: 1_000 } });
    deepStrictEqual(await fails(client, 2), ["INTERNAL_ERROR", OPEN]);
    clock.advance(1_000);
    const probes = [errorOf(call(client)), errorOf(call(client)), errorOf(call(client))];
    const codes = (await Promise.all(probes)).map((error) => (error as UnavailableError).code);
    deepStrictEqual(codes, ["INTERNAL_ERROR", OPEN, OPEN]);
    strictEqual(state.runs, 2);
    clock.advance(999);
    deepStrictEqual(await fails(client, 1), [OPEN]);
    clock.advance(1);
    state.fails = false;
    ok(await call(client));
    ok(await call(client));
    strictEqual(state.runs, 4);
  },
);

on("memory", "it is not tried again by a policy for retries", async ({ client: bus, serve }) => {
  const state = flaky();
  await serve("shop", [state.handler]);
  const client = createClient({ bus, circuit: { failures: 2, openMs: 60_000 } });
  const retry = { attempts: 10, initialDelayMs: 1 };
  deepStrictEqual(await fails(client, 1, { idempotent: true, retry }), [OPEN]);
  strictEqual(state.runs, 2, "the third attempt is let through no more");
});

both(
  "calls that do without circuits are neither counted nor refused",
  async ({ client: bus, serve }) => {
    const state = flaky();
    await serve("shop", [state.handler]);
    const client = createClient({ bus, circuit: { failures: 2, openMs: 60_000 } });
    await fails(client, 5, { circuit: false });
    deepStrictEqual(await fails(client, 3), ["INTERNAL_ERROR", "INTERNAL_ERROR", OPEN]);
    deepStrictEqual(await fails(client, 1, { circuit: false }), ["INTERNAL_ERROR"]);
  },
);

both(
  "slow calls count as failures, and calls that get no answer",
  async ({ client: bus, serve }) => {
    let runs = 0;
    await serve("shop", [
      rpc("slow", async () => {
        runs++;
        await new Promise((resolve) => setTimeout(resolve, 30));
      }),
      rpc("silent", hang),
    ]);
    const client = createClient({ bus, circuit: { failures: 2, slowMs: 10, openMs: 60_000 } });
    await client.call("shop", "slow");
    await client.call("shop", "slow");
    await rejects(client.call("shop", "slow"), { code: OPEN });
    strictEqual(runs, 2);
    const silent = (): Promise<unknown> => client.call("shop", "silent", {}, { timeoutMs: 20 });
    await rejects(silent(), { code: "TIMEOUT" });
    await rejects(silent(), { code: "TIMEOUT" });
    await rejects(silent(), { code: OPEN });
  },
);

both(
  "what a handler means to answer is no failure, nor is what was taken back or met nobody",
  async ({ client: bus, serve }) => {
    const client = createClient({ bus, circuit: { failures: 1, openMs: 60_000 } });
    await rejects(client.call("shop", "no"), { code: "SERVICE_UNAVAILABLE" });
    await serve("shop", [
      rpc("no", () => {
        throw new RpcError("SOLD_OUT", "There is none left");
      }),
      rpc("wait", hang),
    ]);
    for (let i = 0; i < 5; i++) {
      await rejects(client.call("shop", "no"), { code: "SOLD_OUT" });
      await rejects(client.call("shop", "nothing"), { code: "SERVICE_UNAVAILABLE" });
      const controller = new AbortController();
      const waiting = errorOf(client.call("shop", "wait", {}, { signal: controller.signal }));
      setTimeout(() => controller.abort("enough"), 5);
      strictEqual(await waiting, "enough");
    }
  },
);

bothStreams(
  "each instance has a circuit of its own, and a selection passes by those that are open",
  async (buses) => {
    const { client: bus, open }: Buses = buses;
    const [bad, good] = [flaky(), flaky()];
    good.fails = false;
    await startAt(await open(), "bad", bad.handler);
    await startAt(await open(), "good", good.handler);
    await using discovery = createDiscovery({ bus });
    await until(async () => (await discovery.discover("shop")).length === 2);
    const client = createClient({ bus, circuit: { failures: 2, openMs: 60_000 } });
    deepStrictEqual(await fails(client, 3, { instance: "bad" }), [
      "INTERNAL_ERROR",
      "INTERNAL_ERROR",
      OPEN,
    ]);
    await rejects(call(client, { instance: "bad" }), /its circuit of instance "bad" is open/);
    strictEqual(await call(client, { instance: "good" }), "good");
    for (const select of ["round_robin", "random", "least_loaded"]) {
      for (let i = 0; i < 6; i++) strictEqual(await call(client, { select }), "good");
    }
    for (let i = 0; i < 6; i++) {
      strictEqual(await call(client, { select: "sticky", key: `user:${i}` }), "good");
    }
    good.fails = true;
    await fails(client, 2, { select: "random" });
    const all = await errorOf(call(client, { select: "random" }));
    ok(all instanceof UnavailableError);
    strictEqual(all.code, OPEN);
    strictEqual(all.details.instance, "bad", "the one that is tried again first");
    strictEqual(bad.runs, 2);
  },
);

on(
  "memory",
  "a service keeps the calls of its handlers from what fails",
  async ({ client: bus, serve }) => {
    const state = flaky();
    await serve("shop", [state.handler]);
    const ask = rpc("ask", (_, { call }) => call("shop", "flaky"));
    await serve("desk", [ask], { circuit: { failures: 2, openMs: 60_000 } });
    const client = createClient({ bus });
    for (let i = 0; i < 4; i++) await errorOf(client.call("desk", "ask"));
    strictEqual(state.runs, 2);
    const error = await errorOf(client.call("desk", "ask"));
    ok(error instanceof UnavailableError, "what its handler met arrives as such");
    strictEqual(error.code, OPEN);
  },
);

on(
  "memory",
  "how circuits stand shows in the metrics and in the log",
  async ({ open, serve, logs }) => {
    const clock = new ManualClock();
    const metrics = createMetrics({ clock });
    const bus = await open({ clock, metrics });
    const state = flaky();
    await serve("shop", [state.handler], { registry: false });
    const client = createClient({ bus, circuit: { failures: 2, openMs: 1_000 } });
    const shown = (): [number | undefined, number | undefined] => {
      const { gauges, counters } = metrics.snapshot();
      const gauge = gauges.find(({ name }) => name === "aegis_circuit_state");
      const counter = counters.find(({ name }) => name === "aegis_circuit_opens_total");
      if (gauge !== undefined) {
        deepStrictEqual(gauge.labels, { service: "shop", method: "flaky", instance: "*" });
        deepStrictEqual(counter?.labels, gauge.labels);
      }
      return [gauge?.value, counter?.value];
    };
    await fails(client, 1);
    deepStrictEqual(shown(), [undefined, undefined], "nothing has happened yet");
    await fails(client, 2);
    deepStrictEqual(shown(), [2, 1]);
    clock.advance(1_000);
    const probe = call(client);
    deepStrictEqual(shown(), [1, 1]);
    await errorOf(probe);
    deepStrictEqual(shown(), [2, 2]);
    clock.advance(1_000);
    state.fails = false;
    await call(client);
    deepStrictEqual(shown(), [0, 2]);
    const said = logs.filter(({ message }) => message.includes("circuit"));
    deepStrictEqual(said.map(({ level, message }) => `${level}: ${message}`), [
      "warn: The circuit of a method is open",
      "warn: The circuit of a method is open",
      "info: The circuit of a method is closed",
    ]);
    const calls = metrics.snapshot().counters.find(({ labels }) => labels.outcome === OPEN);
    strictEqual(calls?.value, 1, "calls that were refused are counted as such");
  },
);

on("memory", "options that cannot be are refused, and say what was meant", ({ client: bus }) => {
  const bad: readonly (readonly [unknown, RegExp, typeof TypeError | typeof RangeError])[] = [
    ["on", /Cannot use "on" as option "circuit" of a client/, TypeError],
    [{ failure: 3 }, /did you mean "failures"/, TypeError],
    [{ failures: "3" }, /Cannot use "3" as "circuit.failures"/, TypeError],
    [{ failures: 0 }, /must be a whole number from 1/, RangeError],
    [{ failures: 1.5 }, /must be a whole number/, RangeError],
    [{ failureRate: 0 }, /must be a number over 0 up to 1/, RangeError],
    [{ failureRate: 1.1 }, /must be a number over 0 up to 1/, RangeError],
    [{ slowMs: NaN }, /"circuit.slowMs"/, RangeError],
    [{ openMs: Infinity }, /"circuit.openMs"/, RangeError],
    [{ probes: 0 }, /"circuit.probes"/, RangeError],
  ];
  for (const [circuit, message, type] of bad) {
    throws(() => createClient({ bus, circuit: circuit as CircuitOptions }), (error) => {
      ok(error instanceof type, `${JSON.stringify(circuit)}: ${error}`);
      match((error as Error).message, message);
      return true;
    });
  }
  for (const circuit of [true, false, {}, { slowMs: Infinity }]) createClient({ bus, circuit });
});
