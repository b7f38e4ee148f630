// What a caller asks for again, written and read.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { againMessages, readAgain } from "../../src/domain/again.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

test("calls are named by service, and what is written is read", () => {
  const calls = [
    { service: "shop", id: "id-1", reply: "_INBOX.a.1" },
    { service: "bank", id: "id-2", reply: "_INBOX.a.2" },
    { service: "shop", id: "id-3", reply: "_INBOX.a.3" },
  ];
  const messages = againMessages(calls);
  deepStrictEqual(messages, [
    ["shop", "id-1 _INBOX.a.1\nid-3 _INBOX.a.3"],
    ["bank", "id-2 _INBOX.a.2"],
  ]);
  deepStrictEqual(
    [...readAgain(bytes(messages[0]![1]))],
    [["_INBOX.a.1", "id-1"], ["_INBOX.a.3", "id-3"]],
  );
  deepStrictEqual(againMessages([]), []);
});

test("many calls go in several messages, none of them large", () => {
  const calls = Array.from({ length: 1_050 }, (_, n) => ({
    service: "shop",
    id: crypto.randomUUID(),
    reply: `_INBOX.ABCDEFGHIJKLMNOPQRSTUV.${n}`,
  }));
  const messages = againMessages(calls);
  strictEqual(messages.length, 11);
  for (const [, body] of messages) ok(body.length < 10_000, `${body.length}`);
  const read = new Map(messages.flatMap(([, body]) => [...readAgain(bytes(body))]));
  strictEqual(read.size, 1_050);
  for (const { id, reply } of calls) strictEqual(read.get(reply), id);
});

test("what names no call is passed over", () => {
  for (const body of ["", "id", "id reply more", " ", "id ", " reply", "\n\n", "\0\xff"]) {
    strictEqual(readAgain(bytes(body)).size, 0, JSON.stringify(body));
  }
  strictEqual(readAgain(new Uint8Array([255, 254, 32, 10])).size, 0);
  deepStrictEqual([...readAgain(bytes("junk\nid reply\n"))], [["reply", "id"]]);
});
