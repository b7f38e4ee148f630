// Commands and their signals, held against the bytes that the original writes and those that it accepts.

import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { msgpack } from "../../msgpack.ts";
import { createJsonCodec } from "../../src/adapters/system/json.ts";
import { commandJson, commandValue, readCommand } from "../../src/domain/command.ts";
import {
  completionJson,
  completionValue,
  progressJson,
  progressValue,
  readCompletion,
  readProgress,
} from "../../src/domain/command_signal.ts";
import { ValidationError } from "../../src/domain/error.ts";

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
const written = vectors("encode.json") as {
  readonly encode: EncodeVector[];
  readonly dicts: Omit<EncodeVector, "model">[];
};
const encodings = written.encode.filter(({ model }) => model === "Command");
const decodings = (vectors("decode.json") as DecodeVector[])
  .filter(({ model }) => model === "Command");

/** Where JavaScript cannot tell what Python can. */
const ACCEPTED_HERE: Record<string, string> = {
  "command_max_retries_3.0.json": "3.0 and 3 are one number",
  "command_max_retries_3.0.msgpack": "3.0 and 3 are one number",
};
const PACKED_DIFFERS: Record<string, string> = {
  progress_int:
    "1795460098.0 and 1795460098 are one number, written as the integer that it mostly is",
};

const json = createJsonCodec();
const packed = msgpack();
const fresh = {
  uuid: () => "fresh id",
  traceId: () => "fresh trace",
  timestamp: () => "fresh time",
};
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const fromHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const pack = (value: unknown): string =>
  Buffer.from(packed.encode(value) as Uint8Array).toString("hex");

test("there are vectors of commands", () => {
  ok(encodings.length >= 2 && decodings.length >= 38 && written.dicts.length >= 5);
});

for (const { name, json: text, msgpack_hex } of encodings) {
  test(`${name}: read and written again it is the same to the byte, in both encodings`, () => {
    const command = readCommand(json.decode(utf8(text)), fresh);
    strictEqual(commandJson(command, json.encode(command.payload) as string), text);
    const other = readCommand(packed.decode(fromHex(msgpack_hex)), fresh);
    strictEqual(pack(commandValue(other)), msgpack_hex);
    deepStrictEqual(other, command);
  });
}

for (const { name, hex, accept, decoded } of decodings) {
  const bytes = fromHex(hex);
  const read = () => readCommand((bytes[0] === 0x7b ? json : packed).decode(bytes), fresh);
  const why = ACCEPTED_HERE[name];
  if (why !== undefined) {
    test(`${name} is taken, which the original refuses: ${why}`, () => {
      strictEqual(accept, false);
      strictEqual(read().maxRetries, 3);
    });
    continue;
  }
  test(`${name} is ${accept ? "accepted" : "refused"}, as by the original`, () => {
    if (!accept) throws(read, ValidationError);
    else {
      const value = commandValue(read());
      deepStrictEqual(Object.keys(value), Object.keys(decoded!));
      deepStrictEqual(value, decoded);
    }
  });
}

for (const { name, json: text, msgpack_hex } of written.dicts) {
  test(`${name}: what is written is what the original writes, in both encodings`, () => {
    const bodies = [json.decode(utf8(text)), packed.decode(fromHex(msgpack_hex))];
    for (const body of bodies) {
      const progress = readProgress(body), completion = readCompletion(body);
      ok(progress === undefined || completion === undefined);
      const value = progress !== undefined
        ? progressValue(progress)
        : completionValue(completion!.commandId, completion!.result);
      const own = progress !== undefined
        ? progressJson(progress)
        : completionJson(completion!.commandId, JSON.stringify(completion!.result));
      // Python puts a blank after each comma and colon, and writes in ASCII.
      strictEqual(own, compact(text));
      if (PACKED_DIFFERS[name] === undefined) strictEqual(pack(value), msgpack_hex);
      else {
        ok(pack(value) !== msgpack_hex, `it no longer differs, though ${PACKED_DIFFERS[name]}`);
        deepStrictEqual(packed.decode(fromHex(pack(value))), body);
      }
    }
  });
}

/** The text without the blanks between its values, and with the letters that stand for themselves. */
function compact(text: string): string {
  return text.replace(
    /"(?:[^"\\]|\\.)*"|[,:] /g,
    (found) => found.startsWith('"') ? JSON.stringify(JSON.parse(found)) : found.charAt(0),
  );
}
