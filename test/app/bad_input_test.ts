// Bad input: each piece gets its clear error, and the service goes on serving.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import * as v from "valibot";
import {
  AegisError,
  createClient,
  createService,
  type Messaging,
  rpc,
  SerializationError,
} from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { ask, both, type Buses, errorOf, requestText } from "./buses.ts";

const codec = msgpack();
const ECHO = "rpc.shop.echo";
let runs = 0;
const handlers = [
  rpc("echo", (params) => {
    runs++;
    return params;
  }),
  rpc("checked", { params: v.object({ id: v.string() }) }, ({ id }) => id),
];

/** A service, a bare connection to it, and a check that it serves on. */
async function shop(buses: Buses): Promise<{ wire: Messaging; stillServes(): Promise<void> }> {
  const service = await buses.serve("shop", handlers, { instanceId: "one" });
  const caller = createClient({ bus: buses.client });
  const wire = await buses.wire();
  return {
    wire,
    async stillServes() {
      deepStrictEqual(await caller.call("shop", "echo", { good: true }), { good: true });
      strictEqual(await caller.call("shop", "checked", { id: "x" }), "x");
      deepStrictEqual([service.status, (await service.health()).inFlight], ["started", 0]);
      strictEqual((Object.prototype as { polluted?: unknown }).polluted, undefined);
    },
  };
}

const nested = (depth: number): string => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
const lists = (depth: number): string => `${"[".repeat(depth)}${"]".repeat(depth)}`;
const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);

/** Bodies that are no request for `echo`. */
const MALFORMED: Record<string, string | Uint8Array> = {
  "nothing": "",
  "a space": " ",
  "no JSON": "hello",
  "JSON that ends too soon": '{"method":"echo","params":{',
  "JSON with more behind it": '{"method":"echo"}}',
  "a byte order mark": `\ufeff${requestText("echo")}`,
  "null": "null",
  "a number": "42",
  "a string": '"echo"',
  "a list": '["echo"]',
  "an empty object": "{}",
  "bytes that are no UTF-8": bytes(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d),
  "half a surrogate pair in bytes": bytes(0x7b, 0x22, 0xed, 0xa0, 0x80, 0x22, 0x3a, 0x31, 0x7d),
  "zeros": new Uint8Array(100),
  "MessagePack that ends too soon": codec.encode({ method: "echo" }).slice(0, 5) as Uint8Array,
  "MessagePack with more behind it": bytes(...codec.encode({ method: "echo" }) as Uint8Array, 0),
  "MessagePack of nothing": bytes(0xc0),
  "a byte that MessagePack has not": bytes(0xc1),
  "MessagePack that claims four thousand million items": bytes(0xdd, 0xff, 0xff, 0xff, 0xff),
  "MessagePack that claims a map as large": bytes(0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1),
  "MessagePack that claims a text as large": bytes(0xdb, 0xff, 0xff, 0xff, 0xff, 0x61),
  "MessagePack with the key __proto__": bytes(
    0x81,
    0xa9,
    ...new TextEncoder().encode("__proto__"),
    0x80,
  ),
  "another method": requestText("other"),
  "an empty method": requestText(""),
  "no method": '{"params":{}}',
  "a method that is no string": '{"method":{}}',
  "a field that is none": requestText("echo", {}, { foo: 1 }),
  "params that are null": requestText("echo", null),
  "params that are a list": requestText("echo", []),
  "params that are text": requestText("echo", "x"),
  "a time-out of 0": requestText("echo", {}, { timeout: 0 }),
  "a time-out below 0": requestText("echo", {}, { timeout: -1 }),
  "a time-out of null": requestText("echo", {}, { timeout: null }),
  "a time-out of NaN": '{"method":"echo","timeout":NaN}',
  "a time-out of Infinity": '{"method":"echo","timeout":Infinity}',
  "a time-out of 1e999": '{"method":"echo","timeout":1e999}',
  "a time-out in MessagePack of NaN": codec.encode({ method: "echo", timeout: NaN }),
  "a time-out in MessagePack of Infinity": codec.encode({ method: "echo", timeout: Infinity }),
  "a time-out that is text": requestText("echo", {}, { timeout: "5" }),
  "a time-out that is true": requestText("echo", {}, { timeout: true }),
  "a message_id of null": requestText("echo", {}, { message_id: null }),
  "a time stamp that is none": requestText("echo", {}, { timestamp: "yesterday" }),
  "a source that is a list": requestText("echo", {}, { source: [] }),
  "the key __proto__": '{"method":"echo","__proto__":{"polluted":1}}',
  "the key __proto__ in params": '{"method":"echo","params":{"__proto__":{"polluted":1}}}',
  "the key __proto__ deep in params":
    '{"method":"echo","params":{"a":[{"__proto__":{"polluted":1}}]}}',
  "65 levels of objects": `{"method":"echo","params":${nested(64)}}`,
  "65 levels of lists": `{"method":"echo","params":{"a":${lists(63)}}}`,
  "5,000 levels of objects": `{"method":"echo","params":${nested(5_000)}}`,
  "200,000 levels of lists": `{"method":"echo","params":{"a":${lists(200_000)}}}`,
  "200,000 levels of MessagePack": new Uint8Array(200_000).fill(0x91),
};

for (const [what, body] of Object.entries(MALFORMED)) {
  both(`a request is refused as INVALID_REQUEST: ${what}`, async (buses) => {
    const { wire, stillServes } = await shop(buses);
    runs = 0;
    const answer = await ask(wire, ECHO, body);
    strictEqual(runs, 0, "it was run");
    strictEqual(wire.header(answer, "aegis-error-code"), "INVALID_REQUEST");
    const packed = answer.data[0]! >= 0x80;
    const { success, result, error } =
      (packed ? codec.decode(answer.data) : JSON.parse(answer.text)) as Record<string, unknown>;
    deepStrictEqual([success, result], [false, null]);
    ok(typeof error === "string" && error.length > 10 && error.length < 2_000, String(error));
    // Without anywhere to answer to as well.
    wire.publish(ECHO, body);
    await wire.flush();
    await stillServes();
  });
}

/** Odd bodies that are requests all the same. */
const ODD: Record<string, string | Uint8Array> = {
  "64 levels": `{"method":"echo","params":${nested(63)}}`,
  "a time-out of 1e300 seconds": requestText("echo", {}, { timeout: 1e300 }),
  "a time-out of 1.7e308 seconds": requestText("echo", {}, { timeout: 1.7e308 }),
  "the keys constructor and toString": requestText("echo", {
    constructor: { prototype: { polluted: 1 } },
    toString: 1,
  }),
  "ids that are odd": requestText("echo", {}, {
    message_id: '"\r\n}',
    trace_id: "x".repeat(10_000),
    correlation_id: "",
  }),
  "parties that are odd": requestText("echo", {}, { source: '"},{"', target: "\u2028\0" }),
  "white space around it": ` \r\n\t${requestText("echo")}\n `,
  "white space around the method": requestText("  echo\n"),
  "a key twice": '{"method":"other","method":"echo"}',
};

for (const [what, body] of Object.entries(ODD)) {
  both(`a request that is odd is answered: ${what}`, async (buses) => {
    const { wire, stillServes } = await shop(buses);
    const { success, error } = JSON.parse((await ask(wire, ECHO, body)).text);
    deepStrictEqual([success, error], [true, null]);
    await stillServes();
  });
}

both("hostile headers change nothing", async (buses) => {
  const { wire, stillServes } = await shop(buses);
  const long = "x".repeat(100_000);
  const hostile = [
    ...["", "x", "NaN", "Infinity", "-Infinity", "1e999", "-1", "0", "0x10", "9".repeat(400), long]
      .map((deadline) => ({ "aegis-deadline": deadline })),
    ...["", "x", "00", "-".repeat(55), long].map((traceparent) => ({ traceparent })),
    { "aegis-error-code": "BUSY", "aegis-error-data": "{", "aegis-idempotent": "1" },
    { "Nats-Service-Error": "x", "Status": "503", "Description": "no" },
    Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`x-${i}`, "v"])),
  ];
  for (const headers of hostile) {
    // A while of not listening, so that the deadline is looked at.
    for (const end = performance.now() + 25; performance.now() < end;);
    const { text } = await ask(wire, ECHO, requestText("echo"), headers as Record<string, string>);
    strictEqual(JSON.parse(text).success, true, JSON.stringify(headers).slice(0, 100));
  }
  await stillServes();
});

both("a reply subject that leads back to the service ends there", async (buses) => {
  const { wire, stillServes } = await shop(buses);
  for (const reply of [ECHO, "rpc.shop.echo.one", "internal.rpc.cancel.shop"]) {
    wire.publish(ECHO, requestText("echo"), reply);
    wire.publish(ECHO, "malformed", reply);
  }
  await wire.flush();
  await stillServes();
});

both("one instance refuses subjects that name no method of it", async (buses) => {
  const { wire, stillServes } = await shop(buses);
  for (const method of ["nothing", "toString", "__proto__", "constructor", "*"]) {
    const answer = await ask(wire, `rpc.shop.${method}.one`, requestText(method));
    strictEqual(wire.header(answer, "aegis-error-code"), "INVALID_REQUEST");
  }
  await stillServes();
});

/** Answers that are none. */
const ANSWERS: Record<string, string | Uint8Array> = {
  "nothing": "",
  "no JSON": "hello",
  "no object": "[]",
  "a success that is text": '{"success":"true"}',
  "no success": "{}",
  "a field that is none": '{"success":true,"foo":1}',
  "a failure without an error": '{"success":false}',
  "the key __proto__": '{"success":true,"result":{"__proto__":{"polluted":1}}}',
  "65 levels": `{"success":true,"result":${nested(64)}}`,
  "no UTF-8": bytes(0x7b, 0xff),
  "broken MessagePack": bytes(0x81, 0xa7),
  "a stand-by whose message is an object":
    '{"success":true,"result":{"success":false,"error":"NOT_ACTIVE","message":{"toString":1,"valueOf":1}}}',
  "a stand-by without a message":
    '{"success":true,"result":{"success":false,"error":"NOT_ACTIVE"}}',
};

for (const [what, body] of Object.entries(ANSWERS)) {
  both(`a caller gets a clear error for an answer that is none: ${what}`, async (buses) => {
    const { wire, stillServes } = await shop(buses);
    wire.subscribe("rpc.odd.answer", { onMessage: ({ reply }) => wire.publish(reply!, body) });
    await wire.flush();
    async function callHere(): Promise<void> {
      // One that stands by is asked again for that long.
      await createClient({ bus: buses.client }).call("odd", "answer", {}, { timeoutMs: 500 });
    }
    const error = await errorOf(callHere());
    ok(AegisError.is(error), String(error));
    ok(error.stack?.includes("callHere"), error.stack);
    const standBy = what.startsWith("a stand-by");
    const { service, method, sent } = error.details;
    deepStrictEqual([service, method, sent], ["odd", "answer", !standBy]);
    strictEqual(error.code, standBy ? "NOT_ACTIVE" : "SERIALIZATION");
    await stillServes();
    if (standBy) return;
    match(error.message, /^Cannot read the answer of odd\.answer: .{10,}/);
    ok(SerializationError.is(error) && AegisError.is(error.cause));
  });
}

both("error headers that are odd make an error all the same", async (buses) => {
  const { wire, stillServes } = await shop(buses);
  const data = [
    "",
    "{",
    "null",
    "[1,null]",
    '{"sent":"yes"}',
    '{"__proto__":{"polluted":1}}',
    "\x7f",
  ];
  let headers: Record<string, string> = {};
  wire.subscribe("rpc.odd.answer", {
    onMessage: ({ reply }) =>
      wire.publish(reply!, '{"success":false,"error":"no"}', undefined, headers),
  });
  await wire.flush();
  const caller = createClient({ bus: buses.client });
  for (
    const code of [
      "",
      "INVALID_REQUEST",
      "SERVICE_UNAVAILABLE",
      "BUSY",
      "CANCELLED",
      "x".repeat(5_000),
    ]
  ) {
    for (const text of data) {
      headers = { "aegis-error-code": code, "aegis-error-data": text };
      const error = await errorOf(caller.call("odd", "answer", {}, { retry: false }));
      ok(AegisError.is(error) && error.code.length > 0, String(error));
    }
  }
  await stillServes();
});

both("a message over max_payload is refused on the side that sends it", async (buses) => {
  const { stillServes } = await shop(buses);
  const caller = createClient({ bus: buses.client });
  await buses.serve("big", [rpc("make", () => "é".repeat(600_000))]);
  for (const text of ["x".repeat(2 ** 20), "é".repeat(2 ** 19), "🌍".repeat(2 ** 18)]) {
    const error = await errorOf(caller.call("shop", "echo", { text }));
    ok(AegisError.is(error, "PAYLOAD_TOO_LARGE"), String(error));
    match(error.message, /max_payload/);
  }
  const error = await errorOf(caller.call("big", "make"));
  ok(AegisError.is(error, "INTERNAL_ERROR"), String(error));
  match(error.message, /big\.make.*max_payload/);
  await stillServes();
});

both("a service whose bus was closed can still be stopped", async ({ open }) => {
  const bus = await open();
  const service = createService("left", { bus, handlers });
  await service.start();
  await bus.close();
  strictEqual((await service.health()).ok, false);
  await service.stop();
  strictEqual(service.status, "stopped");
});
