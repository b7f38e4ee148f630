// Events on the wire: what the original publishes is handled, what this SDK publishes is as the original writes it.

import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { createClient, event, on, type ReceivedEvent } from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { bothStreams, until } from "../app/buses.ts";

interface EncodeVector {
  readonly name: string;
  readonly model: string;
  readonly json: string;
  readonly msgpack_hex: string;
}

const { encode } = JSON.parse(
  readFileSync(new URL("wire/encode.json", import.meta.url), "utf8"),
) as { encode: EncodeVector[] };
const vectors = encode.filter(({ model }) => model === "Event");

for (const { name, json, msgpack_hex } of vectors) {
  bothStreams(
    `${name}: as the original publishes it, in both encodings, it is handled`,
    async (buses) => {
      const { domain, event_type, payload, version, message_id, trace_id, source } = JSON.parse(
        json,
      );
      const type = `${domain}.${event_type}`;
      const got: ReceivedEvent[] = [];
      await buses.serve("audit", [on(type, (event) => void got.push(event))]);
      const wire = await buses.wire();
      wire.publish(`events.${type}`, json);
      wire.publish(`events.${type}`, new Uint8Array(Buffer.from(msgpack_hex, "hex")));
      await until(() => got.length === 2);
      for (const event of got) {
        deepStrictEqual(
          [event.type, event.version, event.id, event.traceId, event.source],
          [type, version, message_id, trace_id, source],
        );
        deepStrictEqual(JSON.parse(JSON.stringify(event.payload)), payload);
      }
      deepStrictEqual(await createClient({ bus: buses.client }).listDeadLetters(), []);
    },
  );
}

bothStreams(
  "what is published has the original's fields, in its order, on its subject",
  async (buses) => {
    const wire = await buses.wire();
    const bodies: string[] = [];
    wire.subscribe("events.>", {
      onMessage: ({ subject, data }) =>
        void bodies.push(`${subject} ${new TextDecoder().decode(data)}`),
    });
    await wire.flush();
    const Created = event("order.item.created", { version: "2.1" });
    const { id } = await createClient({ bus: buses.client }).publish(Created({ text: "é" }));
    await until(() => bodies.length > 0);
    const at = bodies[0]!.indexOf(" ");
    strictEqual(bodies[0]!.slice(0, at), "events.order.item.created");
    const text = bodies[0]!.slice(at + 1);
    const { timestamp, trace_id } = JSON.parse(text);
    match(timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    strictEqual(
      text,
      `{"message_id":"${id}","trace_id":"${trace_id}","correlation_id":null,"timestamp":"${timestamp}",` +
        `"source":"client","target":null,"domain":"order","event_type":"item.created",` +
        `"payload":{"text":"é"},"version":"2.1"}`,
    );
  },
);

bothStreams(
  "a bus that writes MessagePack publishes it, and its keys are in the same order",
  async (buses) => {
    const wire = await buses.wire();
    const bodies: Uint8Array[] = [];
    wire.subscribe("events.>", { onMessage: ({ data }) => void bodies.push(data.slice()) });
    await wire.flush();
    const packed = await buses.open({ codec: msgpack() });
    const got: unknown[] = [];
    await buses.serve("audit", [on("order.*", ({ payload }) => void got.push(payload))]);
    await createClient({ bus: packed }).publish("order.created", { n: 1 });
    await until(() => bodies.length > 0 && got.length > 0);
    const value = msgpack().decode(bodies[0]!) as Record<string, unknown>;
    deepStrictEqual(Object.keys(value), Object.keys(JSON.parse(vectors[0]!.json)));
    deepStrictEqual(got, [{ n: 1 }]);
  },
);
