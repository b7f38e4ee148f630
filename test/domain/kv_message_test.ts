// Messages of buckets: what they mean, whoever has written them, and the headers with which they are written.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  isEndedByServer,
  isWrittenAfter,
  isWrittenAs,
  type KvHeaders,
  type KvKeeping,
  meaningOf,
  putHeaders,
  removalHeaders,
} from "../../src/domain/kv_message.ts";

const PLAIN: KvKeeping = { ttlMs: 0, history: 1, messageTtl: false };
const STORED_AT = 1_000_000;

function meaning(headers: KvHeaders, keeping: Partial<KvKeeping> = {}) {
  const { kind, expiresAt, ownTime } = meaningOf(
    { headers, storedAt: STORED_AT },
    { ...PLAIN, ...keeping },
  );
  return { kind, after: expiresAt === undefined ? undefined : expiresAt - STORED_AT, ownTime };
}

test("a message is a value unless its headers say that there is none", () => {
  const kinds = [
    [{}, "put"],
    [{ "KV-Operation": "PUT" }, "put"],
    [{ "KV-Operation": "DEL" }, "delete"],
    [{ "KV-Operation": "PURGE", "Nats-Rollup": "sub" }, "purge"],
    [{ "KV-Operation": "PURGE", "aegis-expired": "1" }, "expired"],
    [{ "Nats-Marker-Reason": "MaxAge" }, "expired"],
    [{ "Nats-Marker-Reason": "Purge" }, "expired"],
  ] as const;
  for (const [headers, kind] of kinds) strictEqual(meaning(headers).kind, kind);
});

test("a value expires by its own time or by its bucket's, whichever is over first", () => {
  const cases: readonly [KvHeaders, number, number | undefined, boolean][] = [
    [{}, 0, undefined, false],
    [{}, 500, 500, false],
    [{ "aegis-ttl-ms": "300" }, 0, 300, true],
    [{ "aegis-ttl-ms": "300" }, 500, 300, true],
    [{ "aegis-ttl-ms": "300", "Nats-TTL": "1s" }, 0, 300, true],
    [{ "aegis-ttl-ms": "900" }, 500, 500, false],
    // Somebody else's.
    [{ "Nats-TTL": "5s" }, 0, 5_000, true],
    [{ "Nats-TTL": "5" }, 0, 5_000, true],
    [{ "Nats-TTL": "1h30m" }, 0, 5_400_000, true],
    [{ "Nats-TTL": "1.5s" }, 0, 1_500, true],
    [{ "Nats-TTL": "1500ms" }, 0, 1_500, true],
    [{ "Nats-TTL": "never" }, 500, undefined, false],
  ];
  for (const [headers, ttlMs, after, ownTime] of cases) {
    deepStrictEqual(meaning(headers, { ttlMs }), { kind: "put", after, ownTime });
  }
});

test("a time that is none is none", () => {
  for (const text of ["", "0", "-1", "abc", "1e3", "9".repeat(16), "1.5", " 5"]) {
    deepStrictEqual(meaning({ "aegis-ttl-ms": text }).after, undefined, text);
  }
  for (const text of ["", "0", "-5s", "5x", "s", "5s5"]) {
    deepStrictEqual(meaning({ "Nats-TTL": text }).after, undefined, text);
  }
});

test("whatever headers a message has, it means something", () => {
  const names = ["KV-Operation", "Nats-Marker-Reason", "Nats-TTL", "aegis-ttl-ms", "aegis-expired"];
  const headers = fc.dictionary(fc.constantFrom(...names), fc.string());
  fc.assert(fc.property(headers, fc.nat(), (headers, ttlMs) => {
    const { kind, after } = meaning(headers, { ttlMs });
    strictEqual(["put", "delete", "purge", "expired"].includes(kind), true);
    strictEqual(after === undefined || after > 0, true);
  }));
});

test("a value with a time has it for the server in whole seconds, never fewer, where that ends it", () => {
  const on: KvKeeping = { ...PLAIN, messageTtl: true };
  const server = (ttlMs: number, keeping: KvKeeping): string | undefined =>
    putHeaders({ id: "i", expected: undefined, ttlMs }, keeping)["Nats-TTL"];
  deepStrictEqual([server(1, on), server(1_000, on), server(1_001, on)], ["1s", "1s", "2s"]);
  deepStrictEqual([server(0, on), server(1_000, PLAIN)], [undefined, undefined]);
  // The end of the last value would bring back the one before.
  strictEqual(server(1_000, { ...on, history: 2 }), undefined);
  strictEqual(isEndedByServer(on), true);
  fc.assert(fc.property(fc.integer({ min: 1, max: 1e12 }), fc.boolean(), (ttlMs, messageTtl) => {
    const headers = putHeaders({ id: "i", expected: 1, ttlMs }, { ...PLAIN, messageTtl });
    deepStrictEqual(meaning(headers), { kind: "put", after: ttlMs, ownTime: true });
  }));
});

test("a write is known by its id: by the server where it has no condition", () => {
  const plain = putHeaders({ id: "i", expected: undefined, ttlMs: 0 }, PLAIN);
  deepStrictEqual(plain, { "Nats-Msg-Id": "i" });
  const exact = putHeaders({ id: "i", expected: 7, ttlMs: 0 }, PLAIN);
  deepStrictEqual(exact, { "aegis-id": "i", "Nats-Expected-Last-Subject-Sequence": "7" });
  for (const headers of [plain, exact]) {
    deepStrictEqual([isWrittenAs(headers, "i"), isWrittenAs(headers, "j")], [true, false]);
  }
  deepStrictEqual([isWrittenAfter(exact, 7), isWrittenAfter(exact, 8)], [true, false]);
  strictEqual(isWrittenAfter(plain, 7), false);
});

test("the note of a removal takes the history along where there is one, and ends where that harms nobody", () => {
  const note = (kind: "delete" | "purge" | "expired", keeping: Partial<KvKeeping>) => {
    const headers = removalHeaders(kind, "i", 1, { ...PLAIN, ...keeping });
    const what = meaning(headers).kind;
    return [what, headers["KV-Operation"], headers["Nats-Rollup"], headers["Nats-TTL"]];
  };
  const messageTtl = true;
  deepStrictEqual(note("delete", {}), ["delete", "DEL", undefined, undefined]);
  deepStrictEqual(note("purge", {}), ["purge", "PURGE", undefined, undefined]);
  deepStrictEqual(note("purge", { history: 2 }), ["purge", "PURGE", "sub", undefined]);
  deepStrictEqual(note("expired", { history: 2 }), ["expired", "PURGE", "sub", undefined]);
  deepStrictEqual(note("delete", { messageTtl }), ["delete", "DEL", undefined, "3600s"]);
  deepStrictEqual(note("delete", { messageTtl, history: 2 })[3], undefined);
  deepStrictEqual(note("purge", { messageTtl, history: 2 })[3], "3600s");
});
