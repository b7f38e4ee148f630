// Records of commands: read back as they were written, and nothing that is none.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { PRIORITIES } from "../../src/domain/command.ts";
import { pendingRecord, readRecord, recordValue } from "../../src/domain/command_record.ts";

const facts = {
  id: "a",
  service: "svc",
  command: "work",
  maxRetries: 3,
  timeoutMs: 1_000,
  createdAt: 5,
};

test("a record is read back as it was written, at every priority that a command can have", () => {
  for (const priority of PRIORITIES) {
    const record = { ...pendingRecord({ ...facts, priority }, 7), data: { n: 1 }, percent: 40 };
    deepStrictEqual(readRecord(JSON.parse(JSON.stringify(recordValue(record)))), record);
  }
});

test("what has no names, or a state or priority that there is not, is no record", () => {
  const value = recordValue(pendingRecord({ ...facts, priority: "low" }, undefined));
  for (const key of ["command_id", "service", "command", "state", "priority"]) {
    for (const wrong of [undefined, null, 5, {}]) {
      strictEqual(readRecord({ ...value, [key]: wrong }), undefined, `${key}: ${wrong}`);
    }
  }
  for (const key of ["state", "priority"]) {
    strictEqual(readRecord({ ...value, [key]: "urgent" }), undefined, key);
  }
  for (const wrong of [null, undefined, "a", [], 5]) strictEqual(readRecord(wrong), undefined);
});
