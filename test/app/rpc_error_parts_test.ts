// What of an error cannot be sent, in any encoding: the caller has its answer all the same, and both sides are told.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import {
  AegisError,
  type Codec,
  connect,
  createClient,
  rpc,
  type RpcError,
  RpcError as Thrown,
} from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { createMemoryTransport } from "../../testing.ts";
import { both, type Buses, errorOf, on, recordingLogger } from "./buses.ts";

const throwing = (thrown: unknown) =>
  rpc("fail", () => {
    throw thrown;
  });

/** The error that a client gets which writes MessagePack. */
async function packedError({ open, serve }: Buses, thrown: unknown): Promise<AegisError> {
  await serve("users", [throwing(thrown)]);
  const { call } = createClient({ bus: await open({ codec: msgpack() }) });
  return await errorOf(call("users", "fail", {}, { timeoutMs: 1_000 })) as AegisError;
}

for (
  const [what, text, arrives] of [
    ["that is cut inside a surrogate pair", `${"x".repeat(4_095)}😀`, `${"x".repeat(4_095)}\ufffd`],
    ["with half a surrogate pair", "a \ud83d b", "a \ufffd b"],
    ["with half a surrogate pair at its end", "a \ud83d", "a \ufffd"],
  ] as const
) {
  both(`an error's text ${what} arrives in MessagePack`, async (buses) => {
    const error = await packedError(buses, new Error(text));
    deepStrictEqual([error.code, error.message], ["INTERNAL_ERROR", arrives]);
  });
}

both("data with half a surrogate pair arrive in MessagePack", async (buses) => {
  const error = await packedError(buses, new Thrown("TAKEN", "taken", { text: "a \ud83d b" }));
  deepStrictEqual((error as RpcError).data, { text: "a \ud83d b" });
});

both(
  "an error that its codec cannot write arrives with its code and a shorter text",
  async (buses) => {
    // JSON behind a byte that begins no other encoding.
    const codec: Codec = {
      name: "picky",
      accepts: (first) => first === 0xc1,
      encode(value) {
        const text = JSON.stringify(value);
        if (text.includes("no form")) throw new Error("it has no form");
        return new Uint8Array([0xc1, ...new TextEncoder().encode(text)]);
      },
      decode: (bytes) => JSON.parse(new TextDecoder().decode(bytes.subarray(1))),
    };
    const bus = await buses.open({ codec });
    await buses.serve("users", [throwing(new Thrown("TAKEN", "no form", { a: 1 }))], { bus });
    const { call } = createClient({ bus });
    const error = await errorOf(call("users", "fail", {}, { timeoutMs: 1_000 }));
    ok(AegisError.is(error, "TAKEN"), String(error));
    strictEqual(error.message, "The error is too large to be sent, or has no encoding");
  },
);

both("an error whose data arrive, or that has none, drops none", async (buses) => {
  const none = rpc("none", () => {
    throw new Thrown("A", "a");
  });
  await buses.serve("users", [throwing(new Thrown("A", "a", { b: 1 })), none]);
  const { call } = createClient({ bus: buses.client });
  for (const method of ["fail", "none"]) {
    const error = await errorOf(call("users", method)) as RpcError;
    strictEqual("dataDropped" in error.details, false);
  }
  deepStrictEqual(buses.logs.filter(({ level }) => level === "warn"), []);
});

on(
  "memory",
  "data that do not fit the server's max_payload are dropped, and said to be",
  async (buses) => {
    const transport = createMemoryTransport();
    const { messaging } = transport;
    const publish = messaging.publish.bind(messaging);
    messaging.publish = (subject, body, reply, headers) => {
      if ((headers?.["aegis-error-data"]?.length ?? 0) > 1_000) {
        throw new AegisError("PAYLOAD_TOO_LARGE", "too large");
      }
      publish(subject, body, reply, headers);
    };
    await using bus = await connect({ transport, logger: recordingLogger(buses.logs) });
    await buses.serve("users", [throwing(new Thrown("A", "a", "x".repeat(2_000)))], { bus });
    const error = await errorOf(createClient({ bus }).call("users", "fail")) as RpcError;
    deepStrictEqual([error.code, error.message, error.data, error.details.dataDropped], [
      "A",
      "a",
      undefined,
      true,
    ]);
    strictEqual(buses.logs.filter(({ level }) => level === "warn").length, 1);
  },
);
