// What the codecs cost, for a small body and a large one: `deno bench bench/codec_bench.ts`.

import { msgpack } from "../msgpack.ts";
import { createJsonCodec } from "../src/adapters/system/json.ts";

const small = { orderId: "order-1", amount: 9.5, paid: true, note: null };
const large = {
  customer: "Grüße aus Köln",
  items: Array.from({ length: 100 }, (_, i) => ({ ...small, orderId: `order-${i}`, count: i })),
};
const encoder = new TextEncoder();

for (const [size, value] of [["small", small], ["large", large]] as const) {
  for (const codec of [createJsonCodec(), msgpack()]) {
    const baseline = codec.name === "json";
    const encoded = codec.encode(value);
    const bytes = typeof encoded === "string" ? encoder.encode(encoded) : encoded;
    Deno.bench(`${codec.name} encodes`, { group: `encode ${size}`, baseline }, () => {
      const body = codec.encode(value);
      if (typeof body === "string") encoder.encode(body);
    });
    Deno.bench(`${codec.name} decodes`, { group: `decode ${size}`, baseline }, () => {
      codec.decode(bytes);
    });
  }
}
