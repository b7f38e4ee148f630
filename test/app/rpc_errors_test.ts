// Errors: what of them reaches the caller, and what never leaves the process.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import { z } from "zod";
import { AegisError, createClient, rpc, RpcError, ValidationError } from "../../mod.ts";
import { ask, both, errorOf, requestText, until } from "./buses.ts";

/** A service whose one method throws. */
const throwing = (thrown: unknown) =>
  rpc("fail", () => {
    throw thrown;
  });

for (
  const [what, data] of [
    ["an object", { field: "email", list: [1, null], deep: { a: { b: true } } }],
    ["text that is not ASCII", { text: "Grüße 世界 🌍\r\n\u2028\0" }],
    ["null", null],
    ["a string", "x"],
    ["zero", 0],
    ["false", false],
    ["60,000 characters", "x".repeat(60_000)],
  ] as const
) {
  both(
    `an RpcError arrives with its code, message and data: ${what}`,
    async ({ client, serve }) => {
      await serve("users", [throwing(new RpcError("EMAIL_TAKEN", "Email 📧 vergeben", data))]);
      const error = await errorOf(createClient({ bus: client }).call("users", "fail"));
      ok(error instanceof RpcError);
      deepStrictEqual([error.code, error.message, error.data], [
        "EMAIL_TAKEN",
        "Email 📧 vergeben",
        data,
      ]);
    },
  );
}

const cycle: Record<string, unknown> = { name: "cycle" };
cycle.self = cycle;
for (
  const [what, data] of [
    ["a cycle", cycle],
    ["a bigint", { id: 1n }],
    ["a getter that throws", {
      get bad() {
        throw new Error("no");
      },
    }],
    ["a function", () => {}],
    ["100,000 characters", "x".repeat(100_000)],
    ["3,000,000 characters", "x".repeat(3_000_000)],
  ] as const
) {
  both(`an RpcError whose data cannot go along arrives without them: ${what}`, async (buses) => {
    await buses.serve("users", [throwing(new RpcError("EMAIL_TAKEN", "taken", data))]);
    const error = await errorOf(createClient({ bus: buses.client }).call("users", "fail"));
    ok(error instanceof RpcError);
    deepStrictEqual([error.code, error.message, error.data], ["EMAIL_TAKEN", "taken", undefined]);
    strictEqual(error.details.dataDropped, true);
    const warnings = buses.logs.filter(({ level }) => level === "warn");
    strictEqual(warnings.length, 1);
    ok(warnings[0]!.message.includes("users.fail"), warnings[0]!.message);
  });
}

both("an RpcError of another copy of the package arrives with its data", async (buses) => {
  class OtherRpcError extends Error {
    override name = "RpcError";
    code = "TAKEN";
    data = { field: "email" };
    details = {};
  }
  const other = new OtherRpcError("taken");
  Object.defineProperty(other, Symbol.for("@aegis/sdk/error"), { value: true });
  await buses.serve("users", [throwing(other)]);
  const error = await errorOf(createClient({ bus: buses.client }).call("users", "fail"));
  ok(error instanceof RpcError);
  deepStrictEqual([error.code, error.data], ["TAKEN", { field: "email" }]);
});

both("a code of an RpcError arrives as it is", async ({ client, serve }) => {
  await serve("users", [
    rpc("fail", (params) => {
      throw new RpcError((params as { code: string }).code, "no");
    }),
  ]);
  for (
    const code of ["E", "user.email:taken", "EMAIL TAKEN", "VERGRÖSSERT", "ok", "X".repeat(250)]
  ) {
    const error = await errorOf(createClient({ bus: client }).call("users", "fail", { code }));
    ok(error instanceof RpcError, String(error));
    strictEqual(error.code, code);
  }
});

both("a long message arrives, its end cut off", async ({ client, serve }) => {
  await serve("users", [throwing(new Error("ü".repeat(1_000_000)))]);
  const error = await errorOf(createClient({ bus: client }).call("users", "fail"));
  ok(AegisError.is(error, "INTERNAL_ERROR"));
  ok(/^ü{1000,}/.test(error.message));
});

both("an Error becomes INTERNAL_ERROR with its message", async ({ client, serve, logs }) => {
  await serve("users", [throwing(new TypeError("nothing is undefined"))]);
  const error = await errorOf(createClient({ bus: client }).call("users", "fail"));
  ok(error instanceof RpcError);
  deepStrictEqual([error.code, error.message], ["INTERNAL_ERROR", "nothing is undefined"]);
  const line = logs.find(({ level }) => level === "error");
  strictEqual(line?.message, "users.fail failed");
  ok((line?.fields.error as Error).stack?.includes("rpc_errors_test"), "the log has the stack");
});

for (
  const [what, thrown, message] of [
    ["null", null, undefined],
    ["undefined", undefined, undefined],
    ["a string", "out of order", "out of order"],
    ["an empty string", "", ""],
    ["a number", 0, "0"],
    ["false", false, "false"],
    ["a symbol", Symbol("odd"), "Symbol(odd)"],
    ["an error without a message", new RangeError(), "RangeError"],
    ["an object", { message: "inside" }, undefined],
    ["an object without a prototype", Object.create(null), undefined],
    ["an error whose message is a number", Object.assign(new Error(), { message: 42 }), undefined],
    ["an error whose message throws", hostile("message"), undefined],
    ["an error without a name", Object.assign(new Error(), { name: undefined }), undefined],
    ["an error whose code is a number", new RpcError(42 as unknown as string, "no"), "no"],
    ["an error whose code is missing", new RpcError(undefined as unknown as string, "no"), "no"],
    ["a frozen error", Object.freeze(new Error("cold")), "cold"],
    ["a proxy that throws", new Proxy({}, { get: thrower, has: thrower }), undefined],
  ] as const
) {
  both(`a handler that throws ${what} answers all the same, and serves on`, async (buses) => {
    await buses.serve("odd", [throwing(thrown), rpc("good", () => "good")]);
    const caller = createClient({ bus: buses.client });
    const error = await errorOf(caller.call("odd", "fail", {}, { timeoutMs: 1_000 }));
    ok(AegisError.is(error), String(error));
    ok(error.code !== "TIMEOUT", error.message);
    if (message !== undefined) strictEqual(error.message, message);
    strictEqual(await caller.call("odd", "good"), "good");
  });
}

function thrower(): never {
  throw new Error("hands off");
}

function hostile(key: string): Error {
  return Object.defineProperty(new Error(), key, { get: thrower });
}

both("no stack is in the bytes of an answer", async ({ serve, wire, server, client }) => {
  const inner = new Error("inner secret");
  const outer = new Error("outer", { cause: inner });
  await serve("leaky", [
    rpc("error", () => {
      throw outer;
    }),
    rpc("text", () => {
      throw new Error(`wrapped: ${inner.stack}`);
    }),
    rpc("string", () => {
      throw String(inner.stack);
    }),
    rpc("aegis", () => {
      throw new AegisError("X", "aegis", { cause: inner, details: { stack: inner.stack } });
    }),
    rpc("rpc", () => {
      throw new RpcError("X", "rpc", { cause: inner }, { cause: inner });
    }),
    rpc("result", { result: v.string() }, () => inner as unknown as string),
    rpc("nested", (_, ctx) => ctx.call("leaky", "error")),
  ]);
  const messaging = await wire();
  for (const method of ["error", "text", "string", "aegis", "rpc", "result", "nested"]) {
    const { text, data } = await ask(messaging, `rpc.leaky.${method}`, requestText(method));
    const raw = new TextDecoder().decode(new Uint8Array(data.buffer));
    for (const bytes of [text, raw]) {
      ok(!/\.ts[:)]|node:|\bat .*:\d+|file:\/\//.test(bytes), `${method}: ${bytes}`);
    }
    ok(!text.includes('"stack"'), text);
    strictEqual(JSON.parse(text).success, false);
  }
  strictEqual(server.status + client.status, "connectedconnected");
});

for (
  const [library, schema] of [
    ["valibot", v.object({ user: v.object({ tags: v.array(v.string()) }) })],
    ["zod", z.object({ user: z.object({ tags: z.array(z.string()) }) })],
  ] as const
) {
  both(`the issues of ${library} reach the caller with their path`, async ({ client, serve }) => {
    await serve("users", [rpc("create", { params: schema }, () => 1)]);
    const error = await errorOf(
      createClient({ bus: client }).call("users", "create", { user: { tags: ["a", 7, "c", 8] } }),
    );
    ok(error instanceof ValidationError);
    deepStrictEqual(error.issues.map(({ path }) => path), [
      ["user", "tags", 1],
      ["user", "tags", 3],
    ]);
    ok(error.issues.every(({ message }) => message.length > 0));
    ok(
      error.message.startsWith("The parameters of users.create are not valid: user.tags.1: "),
      error.message,
    );
  });
}

for (const kind of ["at once", "asynchronously"]) {
  both(
    `a handler is not run with parameters that do not validate ${kind}, and its caller is told so`,
    async ({ client, serve }) => {
      let runs = 0;
      const object = { id: v.string() };
      const params = kind === "at once" ? v.object(object) : v.objectAsync(object);
      const { call } = createClient({ bus: client });
      await serve("users", [
        rpc("create", { params }, () => ++runs),
        rpc("refuse", { params }, () => {
          throw new ValidationError("Not this one", [{ message: "no", path: ["id"] }]);
        }),
        rpc("nested", () => call("users", "create", { id: 1 })),
      ]);
      const retry = { attempts: 3, initialDelayMs: 1 };
      const error = await errorOf(call("users", "create", { id: 1 }, { retry }));
      ok(error instanceof ValidationError);
      strictEqual(error.details.sent, false);
      strictEqual(runs, 0);
      for (const method of ["refuse", "nested"]) {
        const error = await errorOf(call("users", method, { id: "1" }));
        ok(error instanceof ValidationError);
        strictEqual(error.details.sent, true, "the handler threw it");
      }
    },
  );
}

both(
  "a handler is not run when its time was over while a schema waited",
  async ({ client, serve }) => {
    let runs = 0;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const params = v.objectAsync({ id: v.pipeAsync(v.string(), v.checkAsync(() => promise)) });
    const service = await serve("users", [rpc("create", { params }, () => ++runs)]);
    const { call } = createClient({ bus: client });
    ok(
      AegisError.is(
        await errorOf(call("users", "create", { id: "1" }, { timeoutMs: 20 })),
        "TIMEOUT",
      ),
    );
    await until(() => client.metrics.snapshot().counters.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 20));
    resolve(true);
    await service.stop();
    strictEqual(runs, 0);
  },
);

both("a result that does not validate is the service's fault", async ({ client, serve, logs }) => {
  await serve("users", [
    rpc("find", { result: v.object({ id: v.string() }) }, () => ({ id: 7 as unknown as string })),
  ]);
  const error = await errorOf(createClient({ bus: client }).call("users", "find"));
  ok(AegisError.is(error, "INTERNAL_ERROR"));
  ok(error.message.startsWith("The result of users.find is not valid: id: "), error.message);
  strictEqual(logs.filter(({ level }) => level === "error").length, 1);
});

for (
  const [what, result] of [
    ["a bigint", { id: 1n }],
    ["a cycle", cycle],
    ["2 MB", "x".repeat(2 ** 21)],
    ["a function", () => 1],
    ["a symbol", Symbol("a")],
  ] as const
) {
  both(`a result that cannot be sent is an INTERNAL_ERROR: ${what}`, async ({ client, serve }) => {
    await serve("users", [rpc("find", () => result), rpc("good", () => "good")]);
    const caller = createClient({ bus: client });
    const error = await errorOf(caller.call("users", "find", {}, { timeoutMs: 1_000 }));
    ok(AegisError.is(error, "INTERNAL_ERROR"), String(error));
    ok(error.message.includes("users.find"), error.message);
    strictEqual(await caller.call("users", "good"), "good");
  });
}
