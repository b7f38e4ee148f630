// Types of RPC: what does not fit does not compile. `deno check` is the test; running it shows that it is valid code.

import { ok } from "node:assert/strict";
import { test } from "node:test";
import { type } from "arktype";
import * as v from "valibot";
import { z } from "zod";
import {
  AegisError,
  type Bus,
  type Call,
  type Client,
  type Context,
  createClient,
  createService,
  type Issue,
  type MethodOf,
  type ParamsOf,
  type ResultOf,
  rpc,
  RpcError,
  type RpcHandler,
  type ServiceClient,
  ValidationError,
} from "../../mod.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
const same = <A, B>(..._: Same<A, B> extends true ? [] : [never]): void => {};

const create = rpc("create", {
  params: v.object({ id: v.string(), amount: v.optional(v.number(), 1) }),
  result: v.object({ id: v.string(), status: v.picklist(["created", "known"]) }),
}, ({ id, amount }) => {
  same<typeof amount, number>();
  return { id, status: "created" };
});
const length = rpc("length", {
  params: z.object({ text: z.string() }),
  result: z.string().transform((text) => text.length),
}, async ({ text }) => await Promise.resolve(text));
const double = rpc("double", { params: type({ n: "number" }) }, ({ n }) => n * 2);
const now = rpc("now", () => 5);
const inferred = rpc("inferred", { timeoutMs: 5 }, (_) => ({ a: 1 as const }));

/** Never called: only its types matter. */
export async function types(bus: Bus, client: Client, call: Call): Promise<void> {
  const service = createService("shop", { bus, handlers: [create, length, double, now, inferred] });
  type Shop = typeof service;
  same<MethodOf<Shop>, "create" | "length" | "double" | "now" | "inferred">();
  same<ParamsOf<Shop, "create">, { id: string; amount?: number | undefined }>();
  same<ResultOf<Shop, "create">, { id: string; status: "created" | "known" }>();
  same<ParamsOf<Shop, "length">, { text: string }>();
  same<ResultOf<Shop, "length">, number>();
  same<ResultOf<Shop, "double">, number>();
  same<ResultOf<Shop, "inferred">, { a: 1 }>();

  const shop = client.service<Shop>("shop");
  const created: { id: string; status: "created" | "known" } = await shop.call("create", {
    id: "1",
  });
  const long: number = await shop.call("length", { text: "a" }, { timeoutMs: 5 });
  const five: number = await shop.call("now");
  await shop.call("now", {});

  // @ts-expect-error there is no such method
  await shop.call("creat", { id: "1" });
  // @ts-expect-error parameters are missing
  await shop.call("create");
  // @ts-expect-error a field is missing
  await shop.call("create", {});
  // @ts-expect-error a field is of another type
  await shop.call("create", { id: 1 });
  // @ts-expect-error there is no such field
  await shop.call("create", { id: "1", amuont: 2 });
  // @ts-expect-error the parameters are of another method
  await shop.call("create", { text: "a" });
  // @ts-expect-error there is no such option
  await shop.call("create", { id: "1" }, { timeout: 5 });
  // @ts-expect-error an option is of another type
  await shop.call("create", { id: "1" }, { timeoutMs: "5" });
  // @ts-expect-error the result is no number
  const wrong: number = await shop.call("create", { id: "1" });
  // @ts-expect-error the result has no such field
  (await shop.call("create", { id: "1" })).total;
  // @ts-expect-error the result is not one of these
  const other: "other" = (await shop.call("create", { id: "1" })).status;

  // The same by ctx.call, and by the call of a service or of a client.
  for (const anyCall of [call, client.call, service.call]) {
    same<ReturnType<typeof anyCall>, Promise<unknown>>();
    const again: { id: string } = await anyCall(shop, "create", { id: "1" });
    // @ts-expect-error there is no such method
    await anyCall(shop, "creat", { id: "1" });
    // @ts-expect-error a field is missing
    await anyCall(shop, "create", {});
    // @ts-expect-error the result is no number
    const wrongAgain: number = await anyCall(shop, "create", { id: "1" });
    const text = await anyCall("shop", "create");
    same<typeof text, unknown>();
    const said = await anyCall<string>("shop", "create", { anything: 1 });
    same<typeof said, string>();
    ok([again, wrongAgain, text, said]);
  }

  rpc("nested", async (params, ctx) => {
    same<typeof params, unknown>();
    // @ts-expect-error a field is missing
    await ctx.call(shop, "create", {});
    // @ts-expect-error a context cannot be changed
    ctx.traceId = "x";
    return (await ctx.call(shop, "create", { id: "1" })).status;
  });
  ok([created, long, five, wrong, other]);
}

export function handlers(bus: Bus): void {
  // @ts-expect-error the result has a field of another type
  rpc("m", { result: v.object({ id: v.string() }) }, () => ({ id: 1 }));
  // @ts-expect-error the result lacks a field
  rpc("m", { result: v.object({ id: v.string(), n: v.number() }) }, () => ({ id: "1" }));
  // @ts-expect-error the result is not one of those that there are
  rpc("m", { result: v.object({ status: v.literal("created") }) }, () => ({ status: "lost" }));
  // @ts-expect-error the same of a handler that is asynchronous
  rpc("m", { result: v.string() }, async () => await Promise.resolve(5));
  // @ts-expect-error parameters have no such field
  rpc("m", { params: v.object({ id: v.string() }) }, ({ name }) => name);
  // @ts-expect-error there is no such option
  rpc("m", { concurency: 5 }, () => 1);
  // @ts-expect-error parameters are an object
  rpc("m", { params: v.string() }, () => 1);
  // @ts-expect-error a handler is needed
  rpc("m", { timeoutMs: 5 });
  // @ts-expect-error handlers are what rpc() gives
  createService("shop", { bus, handlers: [() => 1] });
  // @ts-expect-error a bus is needed
  createService("shop", { handlers: [] });
  // @ts-expect-error there is no such hook
  createService("shop", { bus, handlers: [], hooks: { onStartet: () => {} } });
  // @ts-expect-error a bus is needed
  createClient({});
}

/** Literals in a result are not widened: the schema says what they are. */
export function literals(bus: Bus): void {
  const status = v.object({ status: v.literal("created"), list: v.array(v.picklist(["a", "b"])) });
  rpc("m", { result: status }, () => ({ status: "created", list: ["a", "b"] }));
  rpc("m", { result: status }, async () => await Promise.resolve({ status: "created", list: [] }));
  rpc("m", { params: v.object({ id: v.string() }), result: status }, ({ id }) => {
    if (id === "") throw new Error("no id");
    return { status: "created", list: ["a"] };
  });
  rpc("m", { result: z.object({ kind: z.enum(["x", "y"]) }) }, () => ({ kind: "x" }));
  rpc("m", { result: type({ kind: "'x' | 'y'" }) }, () => ({ kind: "x" }));
  rpc("m", { result: v.tuple([v.literal("a"), v.number()]) }, () => ["a", 1]);
  const service = createService("shop", {
    bus,
    handlers: [rpc("make", { result: status }, () => ({ status: "created", list: [] }))],
  });
  same<ResultOf<typeof service, "make">, { status: "created"; list: ("a" | "b")[] }>();
}

/** A service's type is all that a caller needs: it can be written by hand, too. */
export async function byHand(client: Client): Promise<void> {
  type Shop = { "~handlers"?: [RpcHandler<"create", { id: string }, number>] };
  const shop: ServiceClient<Shop> = client.service<Shop>("shop");
  const n: number = await shop.call("create", { id: "1" });
  // @ts-expect-error a field is missing
  await shop.call("create", {});
  ok(n);
}

/** A call by names gives what its caller says, by an argument of type or where it goes, and `unknown` otherwise. */
export async function byName(client: Client, ctx: Context): Promise<void> {
  interface Left {
    readonly left: number;
  }
  const one = await client.call<Left>("stock", "left", { article: "lamp" }, { timeoutMs: 5 });
  same<typeof one, Left>();
  const two: Left = await ctx.call("stock", "left");
  const [three, four] = await Promise.all([
    client.call<Left>("stock", "left"),
    client.call("stock", "left"),
  ]);
  same<typeof three, Left>();
  same<typeof four, unknown>();
  // @ts-expect-error the result is unknown until the caller says what it is
  four.left;
  // @ts-expect-error parameters are an object
  await client.call<Left>("stock", "left", 5);
  // @ts-expect-error there is no such option
  await client.call<Left>("stock", "left", {}, { timeout: 5 });
  ok([one, two]);
}

/** `is()` narrows to the class and the code. */
export function errors(error: unknown, either: RpcError | TypeError): void {
  if (AegisError.is(error)) same<typeof error.code, string>();
  if (AegisError.is(error, "TIMEOUT")) {
    same<typeof error.code, "TIMEOUT">();
    const details: Readonly<Record<string, unknown>> = error.details;
    // @ts-expect-error an AegisError has no issues
    ok([details, error.issues]);
  }
  if (RpcError.is(error, "EMAIL_TAKEN")) {
    same<typeof error.code, "EMAIL_TAKEN">();
    const narrowed: RpcError = error;
    same<typeof error.data, unknown>();
    ok(narrowed);
  }
  if (ValidationError.is(error)) {
    const narrowed: ValidationError = error;
    same<typeof error.issues, readonly Issue[]>();
    ok(narrowed);
  }
  if (RpcError.is(either)) same<typeof either.data, unknown>();
  else same<typeof either, TypeError>();
}

test("the code of the type tests is valid", () => {
  const checks = [types, handlers, literals, byHand, byName, errors];
  ok(checks.every((check) => typeof check === "function"));
});
