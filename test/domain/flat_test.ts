// Flat text: copies that keep nothing else alive.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { FlatCopies, flatCopy } from "../../src/domain/flat.ts";

test("a flat copy is the same text, whatever is in it", () => {
  for (const text of ["", "_INBOX.abc.1", 'a "b" \\ \n\u2028', "😀", "half \ud83d"]) {
    strictEqual(flatCopy(text), text);
    strictEqual(new FlatCopies(1).of(text), text);
  }
});

test("more texts than are kept are copied all the same", () => {
  const copies = new FlatCopies(10);
  for (let n = 0; n < 100; n++) strictEqual(copies.of(`reply.${n % 25}`), `reply.${n % 25}`);
  ok(copies.size <= 10);
});
