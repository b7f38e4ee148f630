// RPC messages, held against the bytes that the original writes and those that it accepts.

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { AegisError } from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { createJsonCodec } from "../../src/adapters/system/json.ts";
import { codecOf, encodeRequest, encodeResponse } from "../../src/app/runtime.ts";
import type { FreshFields } from "../../src/domain/envelope.ts";
import {
  readRequest,
  readResponse,
  requestValue,
  responseValue,
  type RpcRequest,
} from "../../src/domain/message.ts";

interface EncodeVector {
  readonly name: string;
  readonly model: string;
  readonly json: string;
  readonly msgpack_hex: string;
}

interface DecodeVector {
  readonly name: string;
  readonly model: string;
  readonly hex: string;
  readonly accept: boolean;
  readonly decoded?: Record<string, unknown>;
}

const vectors = (file: string): unknown =>
  JSON.parse(readFileSync(new URL(`wire/${file}`, import.meta.url), "utf8"));
const encodings = (vectors("encode.json") as { encode: EncodeVector[] }).encode
  .filter(({ model }) => model.startsWith("RPC"));
const decodings = (vectors("decode.json") as DecodeVector[])
  .filter(({ model }) => model.startsWith("RPC"));

const json = createJsonCodec();
const packed = msgpack();
const fresh: FreshFields = {
  uuid: () => "fresh id",
  traceId: () => "fresh trace",
  timestamp: () => "fresh time",
};
const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Where JavaScript cannot tell what Python can, and so writes other bytes of the same value. */
const JSON_DIFFERS: Record<string, string> = {
  rpc_request_params_floats: "1.0 and 1 are one number, and so are -0.0 and 0 in JSON",
  rpc_response_result_float: "1.0 and 1 are one number",
  rpc_request_params_ints: "JSON.parse() rounds integers beyond 2 ** 53",
};
const PACKED_DIFFERS: Record<string, string> = {
  rpc_request_params_floats: "1.0 and 1 are one number, written as the integer that it mostly is",
  rpc_response_result_float: "1.0 and 1 are one number",
};

for (const { name, model, json: text, msgpack_hex } of encodings) {
  const request = model === "RPCRequest";
  test(`${name}: read and written again in JSON it is the same to the byte`, () => {
    const written = request
      ? encodeRequest(json, readRequest(json.decode(utf8(text)), fresh))
      : encodeResponse(json, readResponse(json.decode(utf8(text)), fresh));
    if (JSON_DIFFERS[name] === undefined) strictEqual(written, text);
    else {
      ok(written !== text, `it no longer differs, though ${JSON_DIFFERS[name]}`);
      deepStrictEqual(JSON.parse(written as string), JSON.parse(text.replaceAll("-0.0", "0")));
    }
  });

  test(`${name}: read and written again in MessagePack it is the same to the byte`, () => {
    const body = packed.decode(fromHex(msgpack_hex));
    const written = request
      ? encodeRequest(packed, readRequest(body, fresh))
      : encodeResponse(packed, readResponse(body, fresh));
    if (PACKED_DIFFERS[name] === undefined) strictEqual(toHex(written as Uint8Array), msgpack_hex);
    else {
      const again = packed.decode(written as Uint8Array);
      // As JSON, where -0 is 0, as it is in what is written.
      strictEqual(JSON.stringify(again), JSON.stringify(body));
    }
  });

  test(`${name}: both encodings are read as the same message`, () => {
    // The MessagePack of integers beyond 2 ** 53 is exact, and JSON cannot be.
    if (name === "rpc_request_params_ints") return;
    const [one, other] = [json.decode(utf8(text)), packed.decode(fromHex(msgpack_hex))];
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
    if (request) {
      deepStrictEqual(plain(readRequest(one, fresh)), plain(readRequest(other, fresh)));
    } else {
      deepStrictEqual(plain(readResponse(one, fresh)), plain(readResponse(other, fresh)));
    }
  });
}

for (const { name, model, hex, accept, decoded } of decodings) {
  test(`${name} is ${accept ? "accepted" : "refused"}, as by the original`, () => {
    const bytes = fromHex(hex);
    const read = () => {
      const body = codecOf({ codecs: [json, packed] } as never, { subject: "", data: bytes })
        .decode(bytes);
      return model === "RPCRequest" ? readRequest(body, fresh) : readResponse(body, fresh);
    };
    if (!accept) {
      throws(read, (error) => AegisError.is(error));
      return;
    }
    const message = read();
    if (decoded === undefined) {
      // The original has a type of its own for a timestamp, which its own JSON cannot write.
      strictEqual(name, "msgpack_timestamp_ext");
      deepStrictEqual((message as RpcRequest).params, { t: "1970-01-01T00:00:01Z" });
      return;
    }
    const value = "method" in message ? requestValue(message) : responseValue(message);
    deepStrictEqual(Object.keys(value), Object.keys(decoded));
    const sent = bytes[0] === 0x7b ? new TextDecoder().decode(bytes) : toHex(bytes);
    for (const [key, expected] of Object.entries(decoded)) {
      // The original fills in what is missing by chance and by the clock, and brings times into one form.
      const random = typeof expected === "string" && !sent.includes(expected) &&
        !sent.includes(toHex(utf8(expected)));
      if (random && ["message_id", "trace_id"].includes(key)) {
        ok(String(value[key]).startsWith("fresh"));
      } else if (key === "timestamp") ok(typeof value[key] === "string");
      else deepStrictEqual(value[key], expected, key);
    }
  });
}
