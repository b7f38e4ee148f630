// Bad calls: what a program gets wrong is said at once, and by name.

import { ok, strictEqual } from "node:assert/strict";
import {
  AegisError,
  createClient,
  createLogger,
  createMetrics,
  createService,
  rpc,
  run,
} from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { both, errorOf } from "./buses.ts";

const echo = rpc("echo", (params) => params);
const never = undefined as never;

const NAMES = [
  "",
  " ",
  "a b",
  "a.b",
  "*",
  ">",
  "a*",
  "a>",
  "1a",
  "-a",
  "_a",
  "ä",
  "a\r\nb",
  "a\0",
  "a/b",
  "$JS",
  undefined,
  null,
  5,
  {},
  [],
  Symbol("a"),
];

both("names that are none are refused with a TypeError", async ({ client, server, serve }) => {
  await serve("shop", [echo]);
  const caller = createClient({ bus: client });
  for (const name of NAMES as never[]) {
    const shown = typeof name === "string" ? JSON.stringify(name) : String(typeof name);
    for (
      const attempt of [
        () => caller.call(name, "echo"),
        () => caller.call("shop", name),
        () => Promise.reject(thrownBy(() => rpc(name, () => 1))),
        () => Promise.reject(thrownBy(() => caller.service(name))),
      ]
    ) {
      const error = await errorOf(attempt());
      ok(error instanceof TypeError, `${shown}: ${error}`);
      ok(/name of a (?:service|method)/.test(error.message), error.message);
    }
  }
  for (const instance of ["", "a b", "a.b", "*", ">", null, 5, {}] as never[]) {
    const error = await errorOf(caller.call("shop", "echo", {}, { instance }));
    ok(error instanceof TypeError && /id of an instance/.test(error.message), String(error));
  }
  for (const reserved of ["progress", "callback", "cancel"]) {
    ok(await errorOf(caller.call(reserved, "echo")) instanceof TypeError);
  }
  strictEqual(server.status, "connected");
  await caller.call("shop", "echo");
});

both("time-outs that are none are refused", async ({ client, serve }) => {
  await serve("shop", [echo]);
  const caller = createClient({ bus: client });
  const wrong: [unknown, typeof RangeError][] = [
    [0, RangeError],
    [-1, RangeError],
    [NaN, RangeError],
    [Infinity, RangeError],
    [-Infinity, RangeError],
    ["5", TypeError],
    [null, TypeError],
    [5n, TypeError],
    [{}, TypeError],
  ];
  for (const [timeoutMs, kind] of wrong) {
    const error = await errorOf(
      caller.call("shop", "echo", {}, { timeoutMs: timeoutMs as number }),
    );
    ok(error instanceof kind && error.message.includes("timeoutMs"), String(error));
    const made = thrownBy(() => rpc("m", { timeoutMs: timeoutMs as number }, () => 1));
    ok(made instanceof kind && made.message.includes("timeoutMs"), String(made));
  }
  for (const timeoutMs of [0.5, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER, Number.MAX_VALUE]) {
    const outcome = await caller.call("shop", "echo", {}, { timeoutMs }).catch((error) => error);
    ok(
      !(outcome instanceof Error) || AegisError.is(outcome, "TIMEOUT"),
      `${timeoutMs}: ${outcome}`,
    );
    if (timeoutMs > 1) ok(!(outcome instanceof Error), `${timeoutMs}: ${outcome}`);
  }
});

both("options that are none are refused by name", async ({ client, serve }) => {
  await serve("shop", [echo]);
  const caller = createClient({ bus: client });
  const wrong: [unknown, RegExp][] = [
    [{ timeout: 5 }, /"timeout"/],
    [{ timeoutms: 5 }, /"timeoutms"/],
    [{ Signal: null }, /"Signal"/],
    [{ signal: {} }, /"signal"/],
    [{ signal: new AbortController() }, /"signal"/],
    [{ idempotent: "yes" }, /"idempotent"/],
    [{ idempotent: 1 }, /"idempotent"/],
    [{ headers: null }, /"headers"/],
    [{ headers: "a: b" }, /"headers"/],
    [{ headers: ["a"] }, /header/],
    [null, /options/],
    [5, /options/],
    ["x", /options/],
    [[], /options/],
  ];
  const taken: unknown[] = [];
  for (const [options, text] of wrong) {
    const outcome = await caller.call("shop", "echo", {}, options as never)
      .catch((error: unknown) => error);
    if (!(outcome instanceof TypeError)) taken.push([options, String(outcome)]);
    else ok(text.test(outcome.message), outcome.message);
  }
  strictEqual(JSON.stringify(taken), "[]");
  ok(thrownBy(() => createClient({ bus: client, middlewares: [] } as never)) instanceof TypeError);
  ok(thrownBy(() => createClient({} as never)) instanceof TypeError);
  ok(/write createClient\(\{ bus \}\)$/.test(`${thrownBy(() => createClient(client as never))}`));
  ok(/did you mean "level"\?$/.test(`${thrownBy(() => createLogger({ levle: 1 } as never))}`));
  ok(/did you mean "help"\?$/.test(`${thrownBy(() => createMetrics({ halp: {} } as never))}`));
  for (const services of [[undefined], [[]], [{ start: 1 }]] as never[][]) {
    const error = await errorOf(run(...services));
    ok(error instanceof TypeError && /^Cannot run .*must be a service/.test(error.message));
  }
  const bus = Promise.resolve(client) as never;
  for (
    const make of [() => createClient({ bus }), () => createService("a", { bus, handlers: [] })]
  ) {
    ok(/promise; write await connect\(\)$/.test(`${thrownBy(make)}`), `${thrownBy(make)}`);
  }
  ok(thrownBy(() => createClient(never)) instanceof TypeError);
  ok(thrownBy(() => rpc("m", { schema: 1 } as never, () => 1)) instanceof TypeError);
  ok(thrownBy(() => rpc("m", { params: {} } as never, () => 1)) instanceof TypeError);
  ok(thrownBy(() => rpc("m", { concurrency: 0 }, () => 1)) instanceof RangeError);
  ok(thrownBy(() => rpc("m", { concurrency: 1.5 }, () => 1)) instanceof RangeError);
  ok(thrownBy(() => rpc("m", "no function" as never)) instanceof TypeError);
  ok(thrownBy(() => rpc("m", {}, never)) instanceof TypeError);
});

const cycle: Record<string, unknown> = {};
cycle.self = { cycle };
let deep: unknown = 1;
for (let i = 0; i < 100_000; i++) deep = [deep];

for (const codec of [undefined, msgpack()]) {
  const name = codec?.name ?? "json";
  both(`parameters that cannot be sent are refused, in ${name}`, async (buses) => {
    await buses.serve("shop", [echo]);
    const caller = createClient({
      bus: await buses.open(codec === undefined ? {} : { codec }),
    });
    for (const params of [null, [], "x", 5, true, 5n, Symbol("a"), () => {}]) {
      const error = await errorOf(caller.call("shop", "echo", params as never));
      ok(
        error instanceof TypeError && /parameters must be an object/.test(error.message),
        `${error}`,
      );
    }
    class Order {
      readonly #id: number = 5;
      get id(): number {
        return this.#id;
      }
    }
    class Written extends Order {
      toJSON(): object {
        return { id: this.id };
      }
    }
    for (const params of [new Map([["id", 5]]), new Set([5]), new Order(), new Error("no")]) {
      const error = await errorOf(caller.call("shop", "echo", params));
      const [name] = params.constructor.name.split("$");
      strictEqual(
        `${error}`,
        `TypeError: Cannot call shop.echo with an instance of ${name}: parameters must be a plain object, or have toJSON()`,
      );
    }
    strictEqual((await caller.call<Order>("shop", "echo", new Written())).id, 5);
    const wrong: unknown[] = [cycle, { deep }, {
      toJSON() {
        throw new Error("no");
      },
    }, {
      get a() {
        throw new Error("no");
      },
    }];
    if (codec === undefined) wrong.push({ id: 5n });
    else wrong.push({ id: 2n ** 64n }, { text: "\ud800" });
    for (const params of wrong as object[]) {
      const error = await errorOf(caller.call("shop", "echo", params));
      const refused = AegisError.is(error, "SERIALIZATION") ||
        // Where it can be written, the service is who refuses it.
        "deep" in params && AegisError.is(error, "INVALID_REQUEST");
      ok(refused, String(error));
    }
    // These become something that is no object only when they are written; the service says so.
    for (const params of [new Date(0), { toJSON: () => 5 }]) {
      const error = await errorOf(caller.call("shop", "echo", params));
      ok(AegisError.is(error, "INVALID_REQUEST") || error instanceof TypeError, String(error));
    }
    const { a } = await caller.call<{ a: number }>("shop", "echo", { a: 1, b: undefined });
    strictEqual(a, 1);
  });
}

both("headers that cannot be are refused by name", async ({ client, serve }) => {
  await serve("shop", [rpc("look", (_, ctx) => ctx.header("x"))]);
  const caller = createClient({ bus: client });
  const wrong: Record<string, unknown>[] = [
    { "x": "a\r\nb" },
    { "x": "a\nb" },
    { "x": "a\rPUB x 0" },
    { "x": "a\0b" },
    { "x": 5 },
    { "x": null },
    { "x": undefined },
    { "": "a" },
    { "a b": "a" },
    { "a:b": "a" },
    { "a\r\nb": "a" },
    { "ä": "a" },
    { "Nats-Msg-Id": "a" },
    { "aegis-deadline": "1" },
    { "Aegis-Error-Code": "1" },
  ];
  for (const headers of wrong) {
    const error = await errorOf(caller.call("shop", "look", {}, { headers: headers as never }));
    ok(error instanceof TypeError && /header/.test(error.message), JSON.stringify(headers));
  }
  for (const x of ["", "ü 🌍", " a: b ", "\x01\x7f", "\ud800"]) {
    const seen = await caller.call("shop", "look", {}, { headers: { x } });
    strictEqual(seen, x.trim().toWellFormed());
  }
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
}
