// Subjects and names.

import { deepStrictEqual, doesNotThrow, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assertInstanceId,
  assertMethodName,
  assertServiceName,
  assertSubject,
  rpcAgainSubject,
  rpcCancelSubject,
  rpcInstanceSubject,
  rpcQueue,
  rpcSubject,
} from "../../src/domain/subject.ts";

test("subjects are those of the protocol", () => {
  deepStrictEqual(
    [
      rpcSubject("shop", "create"),
      rpcQueue("shop"),
      rpcInstanceSubject("shop", "create", "one"),
      rpcCancelSubject("shop"),
      rpcAgainSubject("shop"),
    ],
    [
      "rpc.shop.create",
      "rpc.shop",
      "rpc.shop.create.one",
      "internal.rpc.cancel.shop",
      "internal.rpc.again.shop",
    ],
  );
});

const checks = [
  ["service", assertServiceName],
  ["method", assertMethodName],
] as const;

for (const [what, check] of checks) {
  const assertName: (name: unknown) => void = check;
  test(`the name of a ${what} begins with a letter and is one token`, () => {
    for (const name of ["a", "Z", "order-service", "create_order", "a1", "aB-_9"]) {
      doesNotThrow(() => assertName(name), name);
    }
    for (
      const name of [
        "",
        "1a",
        "-a",
        "_a",
        "a b",
        "a.b",
        "*",
        ">",
        "a\n",
        "ä",
        "a/b",
        null,
        5,
        {},
        undefined,
      ]
    ) {
      throws(
        () => assertName(name),
        (error: Error) =>
          error instanceof TypeError && error.message.includes(`the name of a ${what}`),
      );
    }
  });

  test(`a name of a ${what} that is taken makes a subject of one token more`, () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 8 }), (name) => {
        try {
          assertName(name);
        } catch {
          return;
        }
        ok(/^[\x21-\x7e]+$/.test(name) && !/[.*>]/.test(name));
        strictEqual(rpcSubject(name, "m").split(".").length, 3);
      }),
      { numRuns: 1_000 },
    );
  });
}

test("what the protocol uses itself is no name of a service, but may be one of a method", () => {
  for (const name of ["progress", "callback", "cancel"]) {
    throws(() => assertServiceName(name as unknown), TypeError);
    doesNotThrow(() => assertMethodName(name as unknown));
  }
  doesNotThrow(() => assertServiceName("Progress" as unknown));
});

test("the id of an instance is one token, and may begin with a digit", () => {
  for (const id of ["1", "a", "f0e1-2", "_", "-x"]) {
    doesNotThrow(() => assertInstanceId(id as unknown));
  }
  for (const id of ["", "a.b", "a b", "*", ">", "a\n", 1, null]) {
    throws(() => assertInstanceId(id as unknown), TypeError);
  }
});

test("names have at most 128 characters, ids 192, and the error says so", () => {
  for (const [, check] of checks) {
    const assertName: (name: unknown) => void = check;
    doesNotThrow(() => assertName("a".repeat(128)));
    throws(() => assertName("a".repeat(129)), /at most 128/);
  }
  doesNotThrow(() => assertInstanceId("1".repeat(192) as unknown));
  throws(() => assertInstanceId("1".repeat(193) as unknown), /at most 192/);
});

test("a subject fits a line of the protocol, by its bytes and with what stands beside it", () => {
  doesNotThrow(() => assertSubject("a".repeat(4_000), "", "publish"));
  throws(() => assertSubject("a".repeat(4_001), "", "publish"), /4001 bytes.*max_control_line/);
  doesNotThrow(() => assertSubject("a".repeat(3_000), "b".repeat(1_000), "subscribe"));
  throws(() => assertSubject("a".repeat(3_000), "b".repeat(1_001), "subscribe"), /queue group/);
  throws(() => assertSubject("ü".repeat(2_001), "", "publish"), /4002 bytes/);
  for (const subject of ["", ".", "a.", "a b", "a\r\nPUB b 0"]) {
    throws(() => assertSubject(subject, "", "publish"), TypeError);
  }
});
