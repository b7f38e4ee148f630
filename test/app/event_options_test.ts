// Definitions and handlers of events: what cannot be is refused when it is written, with what is allowed.

import { match, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { connect, createService, event, on } from "../../mod.ts";

const nothing = () => {};

/** Checks that something throws a programming error of that kind, which says this. */
function refuses(
  make: () => unknown,
  kind: typeof TypeError | typeof RangeError,
  says: RegExp,
): void {
  throws(make, (error: Error) => {
    strictEqual(error.constructor, kind, String(error));
    match(error.message, says);
    return true;
  });
}

test("a definition of an event that cannot be is refused", () => {
  refuses(() => event("order"), TypeError, /"domain\.type"/);
  refuses(() => event("order.*"), TypeError, /"domain\.type"/);
  refuses(() => event("order.created", { version: "v1" }), TypeError, /version/);
  refuses(() => event("order.created", { payload: {} as never }), TypeError, /Standard Schema/);
  refuses(() => event("order.created", { schema: 1 } as never), TypeError, /no such option/);
  refuses(() => event("order.created", 5 as never), TypeError, /must be an object/);
});

test("a handler of events that cannot be is refused", () => {
  refuses(() => on("order", nothing), TypeError, /pattern/);
  refuses(() => on("order.>.x", nothing), TypeError, /pattern/);
  refuses(() => on("order.*", undefined as never), TypeError, /must be a function/);
  const options = (given: object) => () => on("order.*", given as never, nothing);
  refuses(options({ mod: "compete" }), TypeError, /did you mean "mode"/);
  refuses(options({ mode: "all" }), TypeError, /"compete" or "broadcast"/);
  refuses(options({ name: "a.b" }), TypeError, /letters, digits/);
  refuses(options({ name: "" }), TypeError, /letters, digits/);
  refuses(options({ from: "old" }), TypeError, /"new", "all", \{ sequence \} or \{ time \}/);
  refuses(options({ from: { sequence: 0 } }), RangeError, /whole number of at least 1/);
  refuses(options({ from: { time: "yesterday" } }), TypeError, /ISO 8601/);
  refuses(options({ from: { sequence: 1, time: 1 } }), TypeError, /\{ sequence \} or \{ time \}/);
  refuses(options({ concurrency: 0 }), RangeError, /at least 1/);
  refuses(options({ ordered: true, concurrency: 2 }), RangeError, /one at a time/);
  for (const ackWaitMs of [10, 100.5, 1e15]) {
    refuses(options({ ackWaitMs }), RangeError, /at least 100 and at most/);
  }
  refuses(options([]), TypeError, /must be an object, not an array/);
  refuses(options({ retry: 3 }), TypeError, /\{ attempts: 3 \}/);
  refuses(options({ retry: { attempts: 0 } }), RangeError, /retry\.attempts/);
  refuses(options({ retry: { atempts: 2 } }), TypeError, /did you mean "attempts"/);
  refuses(options({ payload: 1 }), TypeError, /Standard Schema/);
});

test("two handlers that would share a durable are refused, and named ones are not", async () => {
  await using bus = await connect({ servers: "memory:" });
  const create = (...handlers: ReturnType<typeof on>[]) =>
    createService("audit", { bus, handlers });
  refuses(
    () => create(on("a.*", nothing), on("a.*", nothing)),
    TypeError,
    /give one of them a "name"/,
  );
  create(on("a.*", nothing), on("a.*", { name: "other" }, nothing));
  create(on("a.*", nothing), on("a.*", { mode: "broadcast" }, nothing));
  refuses(
    () => create(event("a.b") as never),
    TypeError,
    /what rpc\(\), on\(\) or command\(\) gives/,
  );
});

test("a durable whose name no server would take is refused when the service is created", async () => {
  await using bus = await connect({ servers: "memory:" });
  const pattern = `a.${"b".repeat(190)}`;
  const create = (name?: string) =>
    createService("s".repeat(100), { bus, handlers: [on(pattern, name ? { name } : {}, nothing)] });
  refuses(() => create(), TypeError, /give the handler a "name" of its own/);
  create("short");
});

test("options of streams that cannot be are refused by connect()", async () => {
  const refused = async (streams: unknown): Promise<string> => {
    try {
      await using _bus = await connect({ servers: "memory:", streams: streams as never });
    } catch (error) {
      return String(error);
    }
    return "it was taken";
  };
  match(await refused(5), /^TypeError: connect\(\): streams must be an object/);
  match(await refused({ event: {} }), /^TypeError: .*did you mean "events"/);
  match(await refused({ events: { maxAge: 5 } }), /^TypeError: .*did you mean "maxAgeMs"/);
  match(await refused({ events: { maxAgeMs: -1 } }), /^RangeError: .*streams\.events\.maxAgeMs/);
  match(await refused({ events: { storage: "disk" } }), /^TypeError: .*"file" or "memory"/);
  match(await refused({ deadLetters: { discard: 1 } }), /^TypeError: .*"new" or "old"/);
});
