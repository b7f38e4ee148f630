// Dead letters: their headers, written and read back.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type DeadLetterFacts,
  deadLetterHeaders,
  deadLetterSubject,
  isForServer,
  readDeadLetterHeaders,
  REPLAY_HEADER,
} from "../../src/domain/dead_letter.ts";

const facts: DeadLetterFacts = {
  service: "billing",
  instanceId: "one",
  handler: "billing=order=created",
  mode: "compete",
  reason: "failed",
  error: { code: "TAKEN", message: "the card was taken" },
  attempts: 5,
  deadAt: "2026-01-02T03:04:05.006Z",
  subject: "events.order.created",
  stream: "EVENTS",
  sequence: 42,
  storedAt: 1_767_323_045_006,
};

const write = (
  headers: Readonly<Record<string, string>>,
  given: Partial<DeadLetterFacts> = {},
  elsewhere = false,
) => deadLetterHeaders(headers, { ...facts, ...given }, elsewhere);
const back = (
  headers: Readonly<Record<string, string>>,
  given: Partial<DeadLetterFacts> = {},
  elsewhere = false,
) => readDeadLetterHeaders(write(headers, given, elsewhere));
const errorOf = (error: DeadLetterFacts["error"]) => back({}, { error })?.facts.error;

test("a dead letter stands under its kind, its service and the type of the event", () => {
  strictEqual(
    deadLetterSubject("events", "billing", "order.created"),
    "dead_letters.events.billing.order.created",
  );
});

test("what headers tell a server to do they do not tell it of a dead letter, and are read as they were", () => {
  const headers = {
    "Nats-Expected-Stream": "EVENTS",
    "nats-ttl": "5",
    "Nats-Msg-Id": "a-1",
    "x-tenant": "blue",
  };
  const written = write(headers);
  const told = Object.keys(written).filter((name) => isForServer(name));
  deepStrictEqual(told, ["Nats-Msg-Id"]);
  deepStrictEqual(readDeadLetterHeaders(written)?.headers, headers);
});

test("its headers are those of the message, an id of its own, and the facts", () => {
  deepStrictEqual(write({ "Nats-Msg-Id": "a-1", traceparent: "00-1-2-00" }), {
    "Nats-Msg-Id": "dead:billing=order=created:EVENTS:42:1767323045006",
    traceparent: "00-1-2-00",
    "aegis-dead-id": "a-1",
    "aegis-dead-service": "billing",
    "aegis-dead-instance": "one",
    "aegis-dead-handler": "billing=order=created",
    "aegis-dead-mode": "compete",
    "aegis-dead-reason": "failed",
    "aegis-dead-error": '{"code":"TAKEN","message":"the card was taken"}',
    "aegis-dead-attempts": "5",
    "aegis-dead-at": "2026-01-02T03:04:05.006Z",
    "aegis-dead-subject": "events.order.created",
    "aegis-dead-stream": "EVENTS",
    "aegis-dead-sequence": "42",
    "aegis-dead-stored-at": "1767323045006",
  });
});

const headerName = fc.oneof(
  fc.stringMatching(/^[!-9;-~]{1,12}$/),
  fc.constantFrom("Nats-Msg-Id", "nats-msg-id", "traceparent", "aegis-deadline", "__proto__"),
);
const headerValue = fc.string({ unit: "grapheme", maxLength: 12 })
  .map((value) => value.replaceAll(/[\r\n\0]/g, ""));
const headers = fc.array(fc.tuple(headerName, headerValue), { maxLength: 6 }).map((entries) =>
  Object.fromEntries(entries)
);

test("what was written is read back: the headers of the message, and every fact", () => {
  const count = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
  fc.assert(fc.property(
    headers,
    fc.record({
      reason: fc.constantFrom("failed", "invalid", "unreadable", "crashed"),
      subject: fc.constantFrom("events.order.created", "events.größe.😀"),
      attempts: count,
      sequence: count,
      storedAt: count,
      error: fc.record({
        code: fc.string({ unit: "binary", maxLength: 256 }).map((code) => code.slice(0, 256)),
        message: fc.string({ unit: "binary", maxLength: 300 }),
        issues: fc.array(
          fc.record({
            message: fc.string({ unit: "binary", maxLength: 20 }),
            path: fc.array(fc.oneof(fc.string(), fc.nat())),
          }),
          { maxLength: 3 },
        ),
      }, { requiredKeys: ["code", "message"] }),
    }),
    fc.boolean(),
    (given, some, bodyElsewhere) => {
      const expected = { facts: { ...facts, ...some }, headers: given, bodyElsewhere };
      // The objects of fast-check have no prototype.
      deepStrictEqual(
        JSON.parse(JSON.stringify(back(given, some as never, bodyElsewhere))),
        JSON.parse(JSON.stringify(expected)),
      );
    },
  ));
});

test("a message without an id has none when it is read back", () => {
  deepStrictEqual(back({ a: "1" })?.headers, { a: "1" });
});

test("what a message says of a dead letter that it once was is not believed", () => {
  const copied = write({ "Nats-Msg-Id": "a-1", a: "1" }, { sequence: 7 }, true);
  const { "Nats-Msg-Id": _, ...withoutId } = copied;
  for (
    const [given, id] of [[copied, "dead:billing=order=created:EVENTS:7:1767323045006"], [
      withoutId,
    ]] as const
  ) {
    deepStrictEqual(back(given, { handler: "other", sequence: 9 }), {
      facts: { ...facts, handler: "other", sequence: 9 },
      headers: { a: "1", ...(id === undefined ? {} : { "Nats-Msg-Id": id }) },
      bodyElsewhere: false,
    });
  }
});

test("whom a message was replayed for does not go along: the dead letter is replayed anew", () => {
  ok(!(REPLAY_HEADER in write({ [REPLAY_HEADER]: "billing=order=created" })));
  deepStrictEqual(back({ [REPLAY_HEADER]: "billing=order=created" })?.headers, {});
});

test("writing changes nothing of what it was given", () => {
  const given = Object.freeze({ "Nats-Msg-Id": "a-1", [REPLAY_HEADER]: "x" });
  write(given);
  deepStrictEqual(given, { "Nats-Msg-Id": "a-1", [REPLAY_HEADER]: "x" });
});

test("one message of one handler has one id, and no other has it", () => {
  const place = fc.record({
    handler: fc.stringMatching(/^[a1=+-]{1,3}$/),
    stream: fc.stringMatching(/^[a1:_-]{1,3}$/),
    sequence: fc.integer({ min: 1, max: 12 }),
  });
  const idOf = (at: Partial<DeadLetterFacts>) => write({}, at)["Nats-Msg-Id"];
  fc.assert(
    fc.property(place, place, (one, other) => {
      const same = JSON.stringify(one) === JSON.stringify(other);
      strictEqual(idOf(one) === idOf(other), same, `${idOf(one)} ${idOf(other)}`);
    }),
    { numRuns: 2_000 },
  );
  strictEqual(idOf({ instanceId: "one", attempts: 1 }), idOf({ instanceId: "two", attempts: 2 }));
});

test("of the code 256 characters are kept and of the message 2,000, whatever they are", () => {
  for (const character of ["a", "ä", "\u0001", '"', "\\", "\u2028", "\ud83d"]) {
    deepStrictEqual(
      errorOf({ code: character.repeat(257), message: character.repeat(2_001) }),
      { code: character.repeat(256), message: character.repeat(2_000) },
    );
  }
});

test("the error is one line of ASCII of at most 16,384 characters", () => {
  const text = fc.string({ unit: "binary", maxLength: 3_000 });
  fc.assert(fc.property(text, text, fc.array(text, { maxLength: 8 }), (code, message, list) => {
    const issues = list.map((issue) => ({ message: issue }));
    const header = write({}, { error: { code, message, issues } })["aegis-dead-error"]!;
    ok(/^[\x20-\x7e]*$/.test(header) && header.length <= 16_384, `${header.length}`);
  }));
});

test("issues that do not fit, or have no JSON, are left out, and the rest is kept", () => {
  const short = { code: "INVALID_REQUEST", message: "wrong" };
  const cycle: { message: string; self?: unknown } = { message: "round" };
  cycle.self = cycle;
  for (const issues of [[{ message: "x".repeat(20_000) }], [cycle], [{ message: 5n }]]) {
    deepStrictEqual(errorOf({ ...short, issues: issues as never }), short);
  }
  const fits = { ...short, issues: [{ message: "x".repeat(16_000) }] };
  deepStrictEqual(errorOf(fits), fits);
});

test("an error that somebody else has written is kept as what it says", () => {
  const texts = ["out of memory", "", "null", "5", '"text"', "[1]", "{}", '{"code":5}', "{"];
  for (const text of texts) {
    const all = { ...write({}), "aegis-dead-error": text };
    deepStrictEqual(readDeadLetterHeaders(all)?.facts.error, { code: "UNKNOWN", message: text });
  }
  const all = { ...write({}), "aegis-dead-error": '{"code":"A","message":"b","issues":5,"c":1}' };
  deepStrictEqual(readDeadLetterHeaders(all)?.facts.error, { code: "A", message: "b" });
});

test("headers without a reason that there is, or without a subject, are no dead letter's", () => {
  const whole = write({});
  strictEqual(readDeadLetterHeaders({}), undefined);
  for (
    const [name, value] of [["aegis-dead-reason", "bored"], ["aegis-dead-subject", ""]] as const
  ) {
    const { [name]: _, ...without } = whole;
    strictEqual(readDeadLetterHeaders(without), undefined, name);
    strictEqual(readDeadLetterHeaders({ ...whole, [name]: value }), undefined, name);
  }
});

test("a fact that is missing or is no number does not keep the rest from being read", () => {
  const { "aegis-dead-instance": _, ...without } = write({});
  deepStrictEqual(
    readDeadLetterHeaders({ ...without, "aegis-dead-attempts": "many", "aegis-dead-sequence": "" })
      ?.facts,
    { ...facts, instanceId: "", attempts: 0, sequence: 0 },
  );
});
