// The wire of RPC: raw bytes, as any program writes and reads them.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { createClient, NotActiveError, rpc, RpcError, TimeoutError } from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { createJsonCodec } from "../../src/adapters/system/json.ts";
import type { FreshFields } from "../../src/domain/envelope.ts";
import { readResponse } from "../../src/domain/message.ts";
import { ask, both, errorOf, requestText } from "../app/buses.ts";

const json = createJsonCodec();
const packed = msgpack();
const fresh: FreshFields = { uuid: () => "id", traceId: () => "trace", timestamp: () => "time" };

const KEYS = {
  request: [
    "message_id",
    "trace_id",
    "correlation_id",
    "timestamp",
    "source",
    "target",
    "method",
    "params",
    "timeout",
  ],
  response: [
    "message_id",
    "trace_id",
    "correlation_id",
    "timestamp",
    "source",
    "target",
    "success",
    "result",
    "error",
  ],
};

const handlers = [
  rpc("echo", (params) => params),
  rpc("nothing", () => undefined),
  rpc("fail", () => {
    throw new RpcError("TAKEN", "taken", { field: "email" });
  }),
];
const IDS = {
  message_id: "11111111-1111-4111-8111-111111111111",
  trace_id: "22222222-2222-4222-8222-222222222222",
};

both("a request in JSON is answered in JSON, one in MessagePack in MessagePack", async (buses) => {
  await buses.serve("shop", handlers);
  const wire = await buses.wire();
  for (const method of ["echo", "nothing", "fail"]) {
    const request = { ...IDS, method, params: { n: [1, "é"] }, timeout: 2 };
    const inJson = await ask(wire, `rpc.shop.${method}`, JSON.stringify(request));
    strictEqual(inJson.data[0], 0x7b);
    const inPacked = await ask(wire, `rpc.shop.${method}`, packed.encode(request));
    strictEqual(inPacked.data[0], 0x89, "a map of nine keys");
    const first = JSON.parse(inJson.text);
    const second = packed.decode(inPacked.data) as Record<string, unknown>;
    for (const answer of [first, second]) {
      deepStrictEqual(Object.keys(answer), KEYS.response);
      deepStrictEqual(answer, {
        message_id: answer.message_id,
        trace_id: IDS.trace_id,
        correlation_id: IDS.message_id,
        timestamp: answer.timestamp,
        source: "shop",
        target: null,
        success: method !== "fail",
        result: method === "echo" ? { n: [1, "é"] } : null,
        error: method === "fail" ? "taken" : null,
      });
    }
  }
});

both("what is malformed is answered in its encoding, as far as it tells", async (buses) => {
  await buses.serve("shop", handlers);
  const wire = await buses.wire();
  const inJson = await ask(wire, "rpc.shop.echo", '{"method":"echo","foo":1}');
  const inPacked = await ask(wire, "rpc.shop.echo", packed.encode({ method: "echo", foo: 1 }));
  const empty = await ask(wire, "rpc.shop.echo", "");
  for (
    const answer of [JSON.parse(inJson.text), packed.decode(inPacked.data), JSON.parse(empty.text)]
  ) {
    deepStrictEqual(Object.keys(answer), KEYS.response);
    deepStrictEqual([answer.success, answer.result, typeof answer.error], [false, null, "string"]);
    readResponse(answer, fresh);
  }
});

both("a request without ids is answered", async ({ serve, wire }) => {
  await serve("shop", handlers);
  const messaging = await wire();
  for (const body of ['{"method":"echo"}', packed.encode({ method: "echo" })]) {
    const { data } = await ask(messaging, "rpc.shop.echo", body);
    const answer = readResponse((typeof body === "string" ? json : packed).decode(data), fresh);
    deepStrictEqual([answer.success, answer.result], [true, {}]);
    ok(/^[0-9a-f-]{36}$/.test(answer.correlationId!), "it answers the id that it was given here");
    ok(/^[0-9a-f-]{36}$/.test(answer.traceId));
  }
});

both("a refusal names the request that it answers, where that has an id", async (buses) => {
  await buses.serve("shop", handlers, { instanceId: "one" });
  const wire = await buses.wire();
  for (
    const [subject, body] of [
      ["rpc.shop.nowhere.one", requestText("nowhere", {}, IDS)],
      ["rpc.shop.echo", requestText("other", {}, IDS)],
      ["rpc.shop.echo", requestText("echo", [], IDS)],
    ] as const
  ) {
    const { text } = await ask(wire, subject, body);
    strictEqual(JSON.parse(text).correlation_id, IDS.message_id, text);
  }
});

for (const codec of [json, packed]) {
  both(`a client that writes ${codec.name} writes what the original accepts`, async (buses) => {
    const wire = await buses.wire();
    const bodies: Uint8Array[] = [];
    wire.subscribe("rpc.shop.echo", { onMessage: ({ data }) => bodies.push(data.slice()) });
    await wire.flush();
    await buses.serve("shop", handlers);
    const client = await buses.open({ codec, name: "a client" });
    const params = { n: 1, s: "é 🌍", list: [null, true, 1.5], empty: {} };
    deepStrictEqual(await createClient({ bus: client }).call("shop", "echo", params), params);
    await wire.flush();
    strictEqual(codec.accepts(bodies[0]![0]!), true);
    const body = codec.decode(bodies[0]!) as Record<string, unknown>;
    deepStrictEqual(Object.keys(body), KEYS.request);
    const { message_id, trace_id, timestamp, timeout } = body;
    deepStrictEqual(body, {
      message_id,
      trace_id,
      correlation_id: null,
      timestamp,
      source: "a client",
      target: "shop",
      method: "echo",
      params,
      timeout,
    });
    ok(typeof timeout === "number" && timeout > 4.9 && timeout < 5.001, `${timeout} s`);
    if (codec === json) ok(/"timeout":\d+\.\d+\}$/.test(new TextDecoder().decode(bodies[0])));
    else strictEqual(bodies[0]!.at(-9), 0xcb, "a float of 64 bits");
  });
}

for (const code of ["NOT_ACTIVE", "ELECTING"]) {
  both(
    `a result that says ${code}, as the original's stand-by, is a NotActiveError`,
    async (buses) => {
      const wire = await buses.wire();
      const result = { success: false, error: code, message: "I stand by", result: null };
      for (const [method, codec] of [["json", json], ["packed", packed]] as const) {
        wire.subscribe(`rpc.shop.${method}`, {
          onMessage({ data, reply }) {
            const request = json.decode(data) as { message_id: string };
            const answer = { correlation_id: request.message_id, success: true, result };
            wire.publish(reply!, codec.encode(answer));
          },
        });
      }
      await wire.flush();
      for (const method of ["json", "packed"]) {
        const { call } = createClient({ bus: buses.client });
        const error = await errorOf(call("shop", method, {}, { retry: false }));
        ok(error instanceof NotActiveError);
        deepStrictEqual([error.code, error.message], [code, "I stand by"]);
        // Without that it waits for the next leader, within its own time.
        // That may be over while it is asking once more, and then it is a time-out.
        let late: unknown;
        for (let i = 0; i < 5 && !(late instanceof NotActiveError); i++) {
          late = await errorOf(call("shop", method, {}, { timeoutMs: 500 }));
          ok(late instanceof NotActiveError || late instanceof TimeoutError, `${late}`);
        }
        ok(late instanceof NotActiveError);
        deepStrictEqual([late.code, (late.cause as Error).message], [code, "I stand by"]);
      }
    },
  );
}

both(
  "an error of the original, which has no headers, is an RpcError with its text",
  async (buses) => {
    const wire = await buses.wire();
    wire.subscribe("rpc.shop.fail", {
      onMessage({ data, reply }) {
        const { message_id, trace_id } = json.decode(data) as typeof IDS;
        const answer = {
          trace_id,
          correlation_id: message_id,
          success: false,
          error: "no such order",
        };
        wire.publish(reply!, packed.encode(answer));
      },
    });
    await wire.flush();
    const error = await errorOf(createClient({ bus: buses.client }).call("shop", "fail"));
    ok(error instanceof RpcError);
    deepStrictEqual([error.code, error.message], ["INTERNAL_ERROR", "no such order"]);
  },
);

both("an answer to another request is not taken for one's own", async ({ client, wire }) => {
  const messaging = await wire();
  messaging.subscribe("rpc.shop.echo", {
    onMessage({ data, reply }) {
      const { message_id } = json.decode(data) as typeof IDS;
      const answer = (correlation_id: string, result: string): string =>
        JSON.stringify({ correlation_id, success: true, result });
      messaging.publish(reply!, answer("33333333-3333-4333-8333-333333333333", "other"));
      messaging.publish(reply!, answer(message_id, "own"));
    },
  });
  await messaging.flush();
  strictEqual(await createClient({ bus: client }).call("shop", "echo"), "own");
});
