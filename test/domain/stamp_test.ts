// Stamps: written into a description, read back, and compared.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isNewer, stamped, stampOf } from "../../src/domain/stamp.ts";

const text = fc.string({ unit: "binary", maxLength: 12 });
const name = fc.stringMatching(/^\S{1,8}$/);

test("a description ends with the stamp, and the text before it stays as it is", () => {
  strictEqual(
    stamped("Events of all services", { by: "shop", version: "1.2.3" }),
    "Events of all services (set up by shop 1.2.3)",
  );
});

test("a stamp is read back as it was written, whatever stands before it", () => {
  fc.assert(fc.property(text, name, name, (before, by, version) => {
    deepStrictEqual(stampOf(stamped(before, { by, version })), { by, version });
  }));
});

test("of two stamps the last one counts", () => {
  const twice = stamped(stamped("text", { by: "a", version: "1" }), { by: "b", version: "2" });
  deepStrictEqual(stampOf(twice), { by: "b", version: "2" });
});

test("what somebody else has written has no stamp", () => {
  for (
    const description of [
      "",
      "set up by hand",
      "(set up by shop)",
      "(set up by shop 1.0.0), then changed",
      "(set up by the shop 1.0.0)",
    ]
  ) strictEqual(stampOf(description), undefined, description);
});

test("any name and any version can be read back: blanks become underscores, nothing a dash", () => {
  deepStrictEqual(stampOf(stamped("", { by: "my bus", version: "1.0\nbeta" })), {
    by: "my_bus",
    version: "1.0_beta",
  });
  deepStrictEqual(stampOf(stamped("", { by: "", version: "" })), { by: "-", version: "-" });
  fc.assert(fc.property(text, text, text, (before, by, version) => {
    const description = stamped(before, { by, version });
    const read = stampOf(description)!;
    strictEqual(stamped(before, read), description);
  }));
});

test("only a later version of the same program is newer", () => {
  const own = { by: "shop", version: "1.2.0" };
  strictEqual(isNewer({ by: "shop", version: "1.10.0" }, own), true);
  strictEqual(isNewer({ by: "shop", version: "1.2.0" }, own), false);
  strictEqual(isNewer({ by: "shop", version: "1.2.0-rc.1" }, own), false);
  strictEqual(isNewer({ by: "stock", version: "9.0.0" }, own), false);
  strictEqual(isNewer(undefined, own), false);
});

test("a name is the same one before it was written and after it was read back", () => {
  const [one, two] = [{ by: "my bus", version: "1" }, { by: "my bus", version: "2" }];
  const read = (stamp: typeof one) => stampOf(stamped("", stamp))!;
  strictEqual(isNewer(read(two), one), true);
  strictEqual(isNewer(two, read(one)), true);
  strictEqual(isNewer(read(one), two), false);
  strictEqual(isNewer(one, read(one)), false);
});
