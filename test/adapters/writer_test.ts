// The writer and the reader of messages over NATS, against a connection that is made of two functions.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import type { Msg, NatsConnection } from "@nats-io/nats-core";
import { type NatsMessage, Reads } from "../../src/adapters/nats/message.ts";
import { createWriter } from "../../src/adapters/nats/writer.ts";

/** What a connection was told to do, in order. */
function recorder(): { readonly said: string[]; readonly connection: NatsConnection } {
  const said: string[] = [];
  const protocol = {
    sendCommand: (...parts: Uint8Array[]) => {
      said.push(parts.map((part) => new TextDecoder().decode(part)).join(""));
    },
    flushPending: () => void said.push("(written)"),
  };
  return { said, connection: { protocol } as unknown as NatsConnection };
}

test("the messages of one tick go out as one piece, at its end", async () => {
  const { said, connection } = recorder();
  const writer = createWriter(connection)!;
  writer.write("a", "", undefined, "1");
  writer.write("b", "r", "NATS/1.0\r\nx: y\r\n\r\n", "22");
  deepStrictEqual(said, []);
  await Promise.resolve();
  deepStrictEqual(said, ["PUB a 1\r\n1\r\nHPUB b r 18 20\r\nNATS/1.0\r\nx: y\r\n\r\n22\r\n"]);
});

test("push() has what was published written at once, and the rest goes out at the end", async () => {
  const { said, connection } = recorder();
  const writer = createWriter(connection)!;
  writer.write("a", "", undefined, "1");
  writer.push();
  writer.write("b", "", undefined, "2");
  deepStrictEqual(said, ["PUB a 1\r\n1\r\n", "(written)"]);
  await new Promise((resolve) => setTimeout(resolve));
  deepStrictEqual(said, ["PUB a 1\r\n1\r\n", "(written)", "PUB b 1\r\n2\r\n"]);
});

test("lengths are those of bytes, and bytes keep their place between texts", async () => {
  const { said, connection } = recorder();
  const writer = createWriter(connection)!;
  writer.write("a", "", undefined, "ü");
  writer.write("b", "", undefined, new Uint8Array([120, 121]));
  writer.write("c", "", undefined, "z");
  await Promise.resolve();
  deepStrictEqual(said, ["PUB a 2\r\nü\r\n", "PUB b 2\r\nxy\r\n", "PUB c 1\r\nz\r\n"]);
});

/** The messages that nats.js makes of one read of the socket: views into its buffer. */
function read(
  ...messages: [subject: string, reply: string, headers: string, body: string][]
): Msg[] {
  const encoder = new TextEncoder();
  const bytes = encoder.encode(messages.flat().join(""));
  let at = 0;
  const view = (text: string): Uint8Array => {
    const { length } = encoder.encode(text);
    return bytes.subarray(at, at += length);
  };
  return messages.map(([subject, reply, headers, body]) => {
    const _msg = {
      subject: view(subject),
      reply: view(reply),
      hdr: headers === "" ? -1 : headers.length,
    };
    const _rdata = view(headers + body);
    const data = _rdata.subarray(Math.max(0, _msg.hdr));
    const text = (part: Uint8Array): string => new TextDecoder().decode(part);
    return { _msg, _rdata, data, subject: text(_msg.subject), reply: text(_msg.reply) };
  }) as unknown as Msg[];
}

const BLOCK = "NATS/1.0\r\nx-one: 1\r\nx-two:  2 \r\n\r\n";

function seen(message: NatsMessage): unknown[] {
  const { subject, reply, ascii, data } = message;
  return [subject, reply, ascii ?? new TextDecoder().decode(data), message.header("x-two")];
}

test("messages of one read are pieces of its text", () => {
  const reads = new Reads();
  const raw = read(["a", "r1", "", "one"], ["b.c", "r2", BLOCK, "two"], ["d", "", BLOCK, ""]);
  const messages = raw.map((message) => reads.message(message) as NatsMessage);
  ok(messages.every((message) => message.ascii !== undefined), "each is text");
  deepStrictEqual(messages.map(seen), [
    ["a", "r1", "one", undefined],
    ["b.c", "r2", "two", "2"],
    ["d", "", "", "2"],
  ]);
});

test("where a read holds more than ASCII, messages are decoded one by one", () => {
  for (const odd of ["ü", "\ufffd", "𝒳"]) {
    const reads = new Reads();
    const raw = read(["a", "r1", BLOCK, "one"], ["b", "r2", "", odd]);
    const messages = raw.map((message) => reads.message(message) as NatsMessage);
    ok(messages.every((message) => message.ascii === undefined), odd);
    deepStrictEqual(messages.map(seen), [["a", "r1", "one", "2"], ["b", "r2", odd, undefined]]);
  }
});

test("bytes that are no UTF-8 are not taken for text", () => {
  const reads = new Reads();
  const [raw] = read(["a", "r1", "", "xyz"]);
  (raw as unknown as { _rdata: Uint8Array })._rdata[1] = 0xff;
  strictEqual((reads.message(raw!) as NatsMessage).ascii, undefined);
});

test("a buffer that is used again for another read is decoded again", async () => {
  const reads = new Reads();
  const [raw] = read(["a", "r1", "", "xyz"]);
  strictEqual((reads.message(raw!) as NatsMessage).ascii, "xyz");
  await Promise.resolve();
  (raw as unknown as { _rdata: Uint8Array })._rdata[0] = 65;
  strictEqual((reads.message(raw!) as NatsMessage).ascii, "Ayz");
});
