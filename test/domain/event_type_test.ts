import { notStrictEqual, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  assertDurableName,
  assertEventPattern,
  assertEventType,
  eventDurable,
  eventSubject,
  eventTypeOf,
  instanceDurable,
} from "../../src/domain/event_type.ts";

test("the type of an event is two or more tokens", () => {
  for (const type of ["order.created", "order.item.added", "a-b.c_d", "1.2"]) assertEventType(type);
  const wrong = ["order", "", ".", "order.", ".created", "order..created", "order.*", "order.>"];
  for (const type of [...wrong, "a b.c", "ä.b", `a.${"b".repeat(200)}`, 1, null, undefined]) {
    throws(() => assertEventType(type), TypeError, String(type));
  }
});

test("a pattern is a type in which tokens may be wildcards", () => {
  for (const pattern of ["order.created", "order.*", "*.created", "*.*", "order.>", ">", "*.>"]) {
    assertEventPattern(pattern);
  }
  const wrong = [
    "order",
    "*",
    "",
    ">.created",
    "order.>.x",
    "order.c*",
    "order.",
    "a b.c",
    1,
    null,
  ];
  for (const pattern of wrong) {
    throws(() => assertEventPattern(pattern), TypeError, String(pattern));
  }
});

test("a subject leads back to the type", () => {
  strictEqual(eventSubject("order.created"), "events.order.created");
  strictEqual(eventTypeOf("events.order.created"), "order.created");
});

test("durables of different services and patterns have different names, which a server takes", () => {
  const token = fc.stringMatching(/^[A-Za-z0-9_-]{1,4}$/);
  const service = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_-]{0,4}$/);
  const pattern = fc.tuple(
    fc.array(fc.oneof(token, fc.constant("*")), { minLength: 1, maxLength: 3 }),
    fc.oneof(token, fc.constantFrom("*", ">")),
  ).map(([tokens, last]) => [...tokens, last].join("."));
  fc.assert(
    fc.property(service, pattern, service, pattern, (s1, p1, s2, p2) => {
      const [one, other] = [eventDurable(s1, p1), eventDurable(s2, p2)];
      strictEqual(/^[A-Za-z0-9_=+-]+$/.test(one), true, one);
      if (s1 === s2 && p1 === p2) strictEqual(one, other);
      else notStrictEqual(one, other);
    }),
    { numRuns: 2_000 },
  );
});

test("consumers of different instances have different names, which a server takes", () => {
  const durable = fc.stringMatching(/^[a=]{1,3}$/);
  const id = fc.stringMatching(/^[a-]{1,3}$/);
  fc.assert(
    fc.property(durable, id, durable, id, (d1, i1, d2, i2) => {
      const [one, other] = [instanceDurable(d1, i1), instanceDurable(d2, i2)];
      assertDurableName(one, "a name");
      strictEqual(one === other, d1 === d2 && i1 === i2, `${one} ${other}`);
    }),
    { numRuns: 2_000 },
  );
});

test("the name of a durable holds what a server takes and no more, 255 characters at most", () => {
  for (const name of ["a", "9", "_", "billing=order=+", "a-b_c=++=one", "a".repeat(255)]) {
    assertDurableName(name, "a name");
  }
  const wrong = [
    "",
    "a.b",
    "a b",
    "*",
    ">",
    "a/b",
    "a\\b",
    "a\n",
    "ä",
    "a".repeat(256),
    1,
    null,
    {},
  ];
  for (const name of [...wrong, undefined, ["a"]]) {
    const assertName: (name: unknown, where: string) => void = assertDurableName;
    throws(
      () => assertName(name, 'option "name" of a test'),
      (error: Error) =>
        error instanceof TypeError && /as option "name" of a test: .*255/.test(error.message),
      String(name),
    );
  }
});
