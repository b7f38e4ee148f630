// The subjects that deliveries are acknowledged on: in the old form, and in the one with domain and account.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { AckSubjects, isAckSubject } from "../../src/adapters/nats/ack_subject.ts";

const TIME = "1767225600123999999";
const FORMS = {
  "the old form": (delivered: number, sequence: number) =>
    `$JS.ACK.EVENTS.orders.${delivered}.${sequence}.7.${TIME}.3`,
  "the form with a domain": (delivered: number, sequence: number) =>
    `$JS.ACK.hub.ACCHASH.EVENTS.orders.${delivered}.${sequence}.7.${TIME}.3`,
  "the form with more after it": (delivered: number, sequence: number) =>
    `$JS.ACK._.ACCHASH.EVENTS.orders.${delivered}.${sequence}.7.${TIME}.3.r4nd0m`,
};

for (const [name, subject] of Object.entries(FORMS)) {
  test(`${name} says which message it is, how often it came, which delivery it is, and when it was stored`, () => {
    const subjects = new AckSubjects();
    for (const [attempt, sequence] of [[1, 12], [3, Number.MAX_SAFE_INTEGER], [1, 13]] as const) {
      const fields = { sequence, attempt, delivery: 7, storedAt: 1_767_225_600_123, pending: 3 };
      deepStrictEqual(subjects.read(subject(attempt, sequence)), fields);
      strictEqual(isAckSubject(subject(attempt, sequence)), true);
    }
  });
}

test("a reader that knows one form reads another all the same", () => {
  const subjects = new AckSubjects();
  for (const subject of [...Object.values(FORMS), ...Object.values(FORMS)]) {
    const fields = {
      sequence: 5,
      attempt: 2,
      delivery: 7,
      storedAt: 1_767_225_600_123,
      pending: 3,
    };
    deepStrictEqual(subjects.read(subject(2, 5)), fields);
  }
});

test("what is no such subject is undefined, also where it begins like one", () => {
  const subjects = new AckSubjects();
  subjects.read(FORMS["the old form"](1, 1));
  for (
    const subject of [
      "",
      "_INBOX.a.b",
      "$JS.ACK",
      "$JS.ACK.EVENTS.orders.",
      "$JS.ACK.EVENTS.orders.1",
      "$JS.ACK.EVENTS.orders.1.",
      "$JS.ACK.EVENTS.orders.1.2",
      "$JS.ACK.EVENTS.orders.x.2.3.4.5",
      "$JS.ACK.other.orders.1.2.3",
      "$JS.ACK.hub.ACCHASH.EVENTS.orders.1.2.3.4",
      "$JS.ACK.a.b.c.d.e.f.g.h.i",
    ]
  ) strictEqual(subjects.read(subject), undefined, subject);
});
