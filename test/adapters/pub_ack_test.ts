// What streams answer: the common answers are read without JSON, and say the same.

import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { PubAcks } from "../../src/adapters/nats/pub_ack.ts";
import { translateApiError } from "../../src/adapters/nats/stream_error.ts";
import { AegisError } from "../../mod.ts";

/** Reads each text twice: the second time it may be known. */
function read(...texts: readonly string[]): unknown[] {
  const acks = new PubAcks();
  return [...texts, ...texts].map((text) => acks.read(text)).slice(texts.length);
}

test("answers of every server are read, known or not", () => {
  const texts = [
    '{"stream":"EVENTS","seq":12}',
    '{"stream":"EVENTS", "seq":9007199254740991}',
    '{"stream":"EVENTS","domain":"hub","seq":7}',
    '{"stream":"EVENTS", "domain":"hub", "seq":7}',
    '{"stream":"EVENTS","seq":12,"duplicate": true}',
    '{"stream":"EVENTS","seq":12,"duplicate":true}',
    '{"stream":"EVENTS2","seq":1}',
    '{"seq":3,"stream":"EVENTS"}',
    '{"stream":"EVENTS","seq":4,"val":"5"}',
  ];
  deepStrictEqual(read(...texts), [
    { stream: "EVENTS", sequence: 12, duplicate: false },
    { stream: "EVENTS", sequence: Number.MAX_SAFE_INTEGER, duplicate: false },
    { stream: "EVENTS", sequence: 7, duplicate: false },
    { stream: "EVENTS", sequence: 7, duplicate: false },
    { stream: "EVENTS", sequence: 12, duplicate: true },
    { stream: "EVENTS", sequence: 12, duplicate: true },
    { stream: "EVENTS2", sequence: 1, duplicate: false },
    { stream: "EVENTS", sequence: 3, duplicate: false },
    { stream: "EVENTS", sequence: 4, duplicate: false },
  ]);
});

test("a stream whose name looks like the end of an answer is read by its name", () => {
  const name = 'a","seq":1}';
  const text = JSON.stringify({ stream: name, seq: 2 });
  deepStrictEqual(read(text), [{ stream: name, sequence: 2, duplicate: false }]);
});

test("answers of many streams in turn are each those of their own", () => {
  const acks = new PubAcks();
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 30; i++) {
      deepStrictEqual(acks.read(`{"stream":"S${i}","seq":${i + 1}}`), {
        stream: `S${i}`,
        sequence: i + 1,
        duplicate: false,
      });
    }
  }
});

test("a duplicate of what is not stored yet is none", () => {
  const [answer] = read('{"stream":"EVENTS","seq":0,"duplicate": true}') as [object];
  const error = translateApiError(answer, "publish to s", true);
  strictEqual(AegisError.is(error, "SERVICE_UNAVAILABLE") && error.details.sent, true);
});

test("an answer that a stream does not give is a SyntaxError, also where it begins like one", () => {
  const acks = new PubAcks();
  acks.read('{"stream":"EVENTS","seq":12}');
  for (
    const text of [
      "",
      "OK",
      "null",
      "[]",
      "{}",
      '{"stream":"EVENTS","seq":}',
      '{"stream":"EVENTS","seq":1',
      '{"stream":"EVENTS","seq":1}}',
      '{"stream":"EVENTS","seq":-1x}',
      '{"stream":"EVENTS","seq":"1"}',
      '{"stream":1,"seq":1}',
    ]
  ) throws(() => acks.read(text), SyntaxError, text);
});

test("each error of a stream has its code, and says whether the message may be stored", () => {
  const codes: Record<string, [number, number, string][]> = {
    QUEUE_FULL: [
      [503, 10077, "maximum messages exceeded"],
      [503, 10077, "maximum bytes exceeded"],
      [503, 10077, "maximum messages per subject exceeded"],
      [400, 10002, "resource limits exceeded for account"],
    ],
    PAYLOAD_TOO_LARGE: [
      [400, 10054, "message size exceeds maximum allowed"],
      [400, 10097, "header size exceeds maximum allowed of 64k"],
    ],
    SERVICE_UNAVAILABLE: [
      [503, 10008, "JetStream system temporarily unavailable"],
      [503, 10023, "insufficient resources"],
      [503, 10077, "no space left on device"],
      [429, 10167, "too many requests"],
      [409, 10158, "duplicate message id is in process"],
      [400, 10005, "no suitable peers for placement"],
    ],
    CONFLICT: [[400, 10071, "wrong last sequence: 5"], [400, 10164, "wrong last sequence"]],
    STREAM_NOT_FOUND: [[404, 10059, "stream not found"]],
    JETSTREAM_DISABLED: [
      [503, 10076, "JetStream not enabled"],
      [503, 10039, "JetStream not enabled for account"],
    ],
    NATS: [[400, 10109, "invalid operation on sealed stream"]],
  };
  for (const [code, answers] of Object.entries(codes)) {
    for (const [status, err_code, description] of answers) {
      const text = JSON.stringify({
        error: { code: status, err_code, description },
        stream: "EVENTS",
        seq: 0,
      });
      const error = translateApiError(read(text)[0] as object, "publish to s.a", true);
      strictEqual(AegisError.is(error) && error.code, code, description);
      strictEqual(error.message.includes("publish to s.a"), true, error.message);
      if (code === "SERVICE_UNAVAILABLE") strictEqual((error as AegisError).details.sent, true);
    }
  }
});
