// Ids of commands and their tokens.

import {
  deepStrictEqual,
  doesNotThrow,
  notStrictEqual,
  strictEqual,
  throws,
} from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assertCommandId, idOf, isCommandId, tokenOf } from "../../src/domain/command_id.ts";
import { assertSubject } from "../../src/domain/subject.ts";

const assertId: (id: unknown) => void = assertCommandId;

/** Text in which what matters to a subject is likelier than chance would have it. */
const id = fc.oneof(
  fc.string({
    unit: fc.constantFrom(".", "a", "=", "=2E", "=3D", "*", ">", " ", "é"),
    minLength: 1,
  }),
  fc.string({ unit: "grapheme", minLength: 1 }),
  fc.string({ unit: "binary", minLength: 1 }),
  fc.uuid(),
);

test("an id of letters, digits, _ and - is its own token, and so are dots that part them", () => {
  for (
    const plain of [
      "11111111-1111-4111-8111-111111111111",
      "A",
      "_",
      "-",
      "0",
      "order.1",
      "a.b_c.D-9",
    ]
  ) {
    strictEqual(tokenOf(plain), plain);
    strictEqual(idOf(plain), plain);
  }
});

test("all else is written by its bytes", () => {
  const tokens: Record<string, string> = {
    "a b": "a=20b",
    "a=b": "a=3Db",
    "=20": "=3D20",
    "*": "=2A",
    ">": "=3E",
    "é": "=C3=A9",
    "🌍": "=F0=9F=8C=8D",
    "\0\r\n": "=00=0D=0A",
    "a/b:c": "a=2Fb=3Ac",
    "\ufeffa": "=EF=BB=BFa",
    ".": "=2E",
    ".a": "=2Ea",
    "a.": "a=2E",
    "a..b": "a=2E=2Eb",
    "a.b..": "a.b=2E=2E",
    "a.*.b": "a.=2A.b",
  };
  for (const [id, token] of Object.entries(tokens)) {
    strictEqual(tokenOf(id), token);
    strictEqual(idOf(token), id);
  }
});

test("a token leads back to its id", () => {
  fc.assert(fc.property(id, (id) => strictEqual(idOf(tokenOf(id)), id)), { numRuns: 5_000 });
});

test("different ids have different tokens", () => {
  fc.assert(
    fc.property(id, id, (one, other) => {
      if (one === other) strictEqual(tokenOf(one), tokenOf(other));
      else notStrictEqual(tokenOf(one), tokenOf(other));
    }),
    { numRuns: 5_000 },
  );
});

test("a token is part of a subject and a key of a bucket, and no more than thrice as long as the id", () => {
  fc.assert(
    fc.property(id, (id) => {
      const token = tokenOf(id);
      doesNotThrow(() => assertSubject(`commands.progress.${token}`, "", "publish"));
      // What the KV of the server's clients takes as a key.
      strictEqual(/^[A-Za-z0-9_=-]+(?:\.[A-Za-z0-9_=-]+)*$/.test(token), true, token);
      strictEqual(token.length <= 3 * new TextEncoder().encode(id).length, true);
    }),
    { numRuns: 5_000 },
  );
});

test("what no id has as its token is none", () => {
  const written = fc.string({
    unit: fc.constantFrom("=", "4", "1", "2", "E", "e", "C3", ".", "é"),
  });
  fc.assert(
    fc.property(written, (token) => {
      const id = idOf(token);
      if (id !== undefined) strictEqual(tokenOf(id), token);
    }),
    { numRuns: 5_000 },
  );
  const none = [
    "",
    "=",
    "=2",
    "=2e",
    "=41",
    "=C3",
    "=GG",
    "=2Ea=2E.",
    "a.=2E",
    ".",
    ".a",
    "a.",
    "a..b",
  ];
  for (const token of [...none, "a b", "*", "é", "\u0141", "=ED=A0=80", "a=2Eb", "=  ", "=+1"]) {
    strictEqual(idOf(token), undefined, token);
  }
});

test("an id has 1 to 128 bytes", () => {
  for (const id of ["a", " ", ".", "\0", "x".repeat(128), "é".repeat(64), "🌍".repeat(32)]) {
    doesNotThrow(() => assertId(id));
    strictEqual(isCommandId(id), true);
  }
  const wrong = ["", "x".repeat(129), "é".repeat(65), `${"é".repeat(64)}x`, "🌍".repeat(33)];
  for (const id of [...wrong, "\ud800", "a\udc00", 1, null, undefined, {}, ["a"]]) {
    throws(
      () => assertId(id),
      (error: Error) =>
        error instanceof TypeError && /the id of a command: .*128/.test(error.message),
      String(id),
    );
    strictEqual(isCommandId(id), false);
  }
});

test("half a surrogate pair has no token, which it would share", () => {
  for (const id of ["\ud800", "\udc00a", "a\ud800"]) throws(() => tokenOf(id), TypeError);
  deepStrictEqual(["\ufffd", "\ud83c\udf0d"].map(tokenOf), ["=EF=BF=BD", "=F0=9F=8C=8D"]);
});
