// Events, held against the bytes that the original writes and those that it accepts.

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ValidationError } from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { createJsonCodec } from "../../src/adapters/system/json.ts";
import { eventJson, eventValue, readEvent } from "../../src/domain/event.ts";

interface Vector {
  readonly name: string;
  readonly model: string;
}

interface EncodeVector extends Vector {
  readonly json: string;
  readonly msgpack_hex: string;
}

interface DecodeVector extends Vector {
  readonly hex: string;
  readonly accept: boolean;
  readonly decoded?: Record<string, unknown>;
}

const vectors = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`wire/${file}`, import.meta.url), "utf8"));
const ofEvents = <V extends Vector>(all: V[]): V[] => all.filter(({ model }) => model === "Event");
const encodings = ofEvents((vectors("encode.json") as { encode: EncodeVector[] }).encode);
const decodings = ofEvents(vectors("decode.json") as DecodeVector[]);

const json = createJsonCodec();
const packed = msgpack();
const fresh = {
  uuid: () => "fresh id",
  traceId: () => "fresh trace",
  timestamp: () => "fresh time",
};
const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

test("there are vectors of events", () => {
  ok(encodings.length >= 3 && decodings.length >= 20);
});

for (const { name, json: text, msgpack_hex } of encodings) {
  test(`${name}: read and written again it is the same to the byte, in both encodings`, () => {
    const event = readEvent(json.decode(new TextEncoder().encode(text)), fresh);
    strictEqual(eventJson(event, json.encode(event.payload) as string), text);
    const other = readEvent(packed.decode(fromHex(msgpack_hex)), fresh);
    strictEqual(
      Buffer.from(packed.encode(eventValue(other)) as Uint8Array).toString("hex"),
      msgpack_hex,
    );
    deepStrictEqual(JSON.parse(JSON.stringify(other)), JSON.parse(JSON.stringify(event)));
  });
}

for (const { name, hex, accept, decoded } of decodings) {
  test(`${name} is ${accept ? "accepted" : "refused"}, as by the original`, () => {
    const bytes = fromHex(hex);
    const read = () => readEvent((bytes[0] === 0x7b ? json : packed).decode(bytes), fresh);
    if (!accept) {
      throws(read, ValidationError);
      return;
    }
    const value = eventValue(read());
    deepStrictEqual(Object.keys(value), Object.keys(decoded!));
    for (const key of ["domain", "event_type", "payload", "version", "source", "target"]) {
      deepStrictEqual(value[key], decoded![key], key);
    }
  });
}
