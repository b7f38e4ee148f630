// A codec of one's own: what it writes it reads, whatever it is called and whatever its bytes begin with.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { AegisError, type Codec, createClient, rpc, RpcError } from "../../mod.ts";
import { ask, both, errorOf, requestText } from "./buses.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** JSON that knows dates, behind a mark. */
function marked(mark: number, name: string, give: "bytes" | "text"): Codec {
  return {
    name,
    accepts: (first) => first === mark,
    encode(value) {
      const text = String.fromCharCode(mark) + JSON.stringify(value, function (key, item) {
        const own = (this as Record<string, unknown>)[key];
        return own instanceof Date ? { $date: own.getTime() } : item;
      });
      return give === "text" ? text : encoder.encode(text);
    },
    decode: (bytes) =>
      JSON.parse(
        decoder.decode(bytes.subarray(1)),
        (_, item) => typeof item?.$date === "number" ? new Date(item.$date) : item,
      ),
  };
}

const CODECS: Record<string, Codec> = {
  "bytes behind a control character": marked(0x01, "own", "bytes"),
  'bytes, and the name "json"': marked(0x01, "json", "bytes"),
  "text": marked(0x7e, "own", "text"),
  "text that begins as JSON may": marked(0x20, "json", "text"),
};

const handlers = [
  rpc("echo", (params) => params),
  rpc("later", (params) => {
    const { at } = params as { at: Date };
    return new Date(at.getTime() + 1);
  }),
  rpc("fail", () => {
    throw new RpcError("NO", "no", { at: 1 });
  }),
];

for (const [what, codec] of Object.entries(CODECS)) {
  both(`a codec of one's own is read on both sides: ${what}`, async (buses) => {
    const bus = await buses.open({ codec });
    await buses.serve("shop", handlers, { bus: await buses.open({ codec }) });
    const { call } = createClient({ bus });
    for (let i = 0; i < 3; i++) {
      deepStrictEqual(await call("shop", "echo", { a: [1, "ü"], at: new Date(5) }), {
        a: [1, "ü"],
        at: new Date(5),
      });
      deepStrictEqual(await call("shop", "later", { at: new Date(5) }), new Date(6));
    }
    const error = await errorOf(call("shop", "fail"));
    ok(RpcError.is(error, "NO"));
    deepStrictEqual(error.data, { at: 1 });
  });

  both(`a service with a codec of its own serves callers of JSON: ${what}`, async (buses) => {
    await buses.serve("shop", handlers, { bus: await buses.open({ codec }) });
    const { call } = createClient({ bus: buses.client });
    deepStrictEqual(await call("shop", "echo", { a: 1 }), { a: 1 });
    const { text } = await ask(await buses.wire(), "rpc.shop.echo", requestText("echo", { b: 2 }));
    deepStrictEqual(JSON.parse(text).result, { b: 2 });
  });

  // A space before JSON is JSON.
  if (what.startsWith("text that begins")) continue;
  both(`who does not know the codec of a caller says so: ${what}`, async (buses) => {
    await buses.serve("shop", handlers);
    const { call } = createClient({ bus: await buses.open({ codec }) });
    const error = await errorOf(call("shop", "echo", { a: 1 }));
    ok(AegisError.is(error, "INVALID_REQUEST"), String(error));
    strictEqual(error.details.sent, false);
  });
}
