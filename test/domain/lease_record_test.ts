// Lease records: what is read of what somebody has written.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  type LeaseRecord,
  leaseRecordValue,
  readLeaseRecord,
  tokenOf,
} from "../../src/domain/lease_record.ts";

const RECORD: LeaseRecord = {
  holder: "orders-1",
  writer: "a",
  write: 3,
  leaseMs: 600,
  base: 0,
  token: 7,
  released: false,
};

test("a record is read as it was written, over JSON", () => {
  for (const record of [RECORD, { ...RECORD, token: undefined, released: true, base: 5 }]) {
    deepStrictEqual(
      readLeaseRecord(JSON.parse(JSON.stringify(leaseRecordValue(record))), 9),
      record,
    );
  }
});

test("the token is that of the takeover: its revision, from where revisions began anew", () => {
  strictEqual(tokenOf(RECORD, 9), 7);
  strictEqual(tokenOf({ ...RECORD, token: undefined }, 9), 9);
  strictEqual(tokenOf({ ...RECORD, token: undefined, base: 50 }, 9), 59);
});

test("fields of a newer version do no harm", () => {
  deepStrictEqual(
    readLeaseRecord({ ...leaseRecordValue(RECORD), version: 9, zone: "b" }, 9),
    RECORD,
  );
});

test("what is none, or would keep everybody out for ever, is not read", () => {
  const value = leaseRecordValue(RECORD);
  const none: unknown[] = [
    undefined,
    null,
    "orders-1",
    [],
    {},
    { ...value, holder: 1 },
    { ...value, writer: null },
    { ...value, write: 0.5 },
    { ...value, write: -1 },
    { ...value, lease_ms: 1e12 },
    { ...value, lease_ms: 0 },
    { ...value, lease_ms: "600" },
    { ...value, token_base: 2 ** 60 },
    { ...value, token_base: 2 ** 50 + 1 },
    { ...value, fencing_token: Infinity },
    // Higher than any takeover until then can have given.
    { ...value, fencing_token: 10 },
    { ...value, fencing_token: 2 ** 52 - 1 },
    { ...value, token_base: 50, fencing_token: 60 },
    { ...value, released: "no" },
  ];
  for (const item of none) strictEqual(readLeaseRecord(item, 9), undefined, JSON.stringify(item));
});

test("what follows upon the highest record that is read can be read as well", () => {
  const highest = { ...RECORD, base: 2 ** 50, token: undefined };
  const revision = 2 ** 40;
  const read = readLeaseRecord(leaseRecordValue(highest), revision);
  deepStrictEqual(read, highest);
  const token = tokenOf(highest, revision);
  ok(readLeaseRecord(leaseRecordValue({ ...highest, token }), revision + 1) !== undefined);
});
