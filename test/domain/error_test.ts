// Errors: told apart by class and code, over copies of the package.

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import * as here from "../../src/domain/error.ts";

const {
  AegisError,
  ClosedError,
  NotActiveError,
  RpcError,
  SerializationError,
  TimeoutError,
  UnavailableError,
  ValidationError,
} = here;

// A file of its own, for Bun takes a query string for the same module.
const folder = await mkdtemp(join(tmpdir(), "aegis-copy-"));
for (const file of ["aegis_error.ts", "error.ts", "handler_error.ts"]) {
  await copyFile(new URL(`../../src/domain/${file}`, import.meta.url), join(folder, file));
}
const copy: typeof here = await import(pathToFileURL(join(folder, "error.ts")).href);
await rm(folder, { recursive: true });

function oneOfEach(errors: typeof here): Record<string, here.AegisError> {
  return {
    AegisError: new errors.AegisError("OWN", "text"),
    ClosedError: new errors.ClosedError("text"),
    NotActiveError: new errors.NotActiveError("text"),
    RpcError: new errors.RpcError("EMAIL_TAKEN", "text", { field: "email" }),
    SerializationError: new errors.SerializationError("text"),
    TimeoutError: new errors.TimeoutError("text"),
    UnavailableError: new errors.UnavailableError("text"),
    ValidationError: new errors.ValidationError("text", [{ message: "no" }]),
  };
}

const CLASSES = {
  AegisError,
  ClosedError,
  NotActiveError,
  RpcError,
  SerializationError,
  TimeoutError,
  UnavailableError,
  ValidationError,
};

test("is() of a class knows its errors, and no others, of this copy of the package and of another", () => {
  ok(copy.RpcError !== RpcError, "it is another copy");
  for (const errors of [oneOfEach(here), oneOfEach(copy)]) {
    for (const [name, error] of Object.entries(errors)) {
      for (const [asked, type] of Object.entries(CLASSES)) {
        const expected = asked === name || asked === "AegisError";
        strictEqual(type.is(error), expected, `${asked}.is(${name})`);
        strictEqual(type.is(error, error.code), expected, `${asked}.is(${name}, "${error.code}")`);
        strictEqual(type.is(error, "ANOTHER"), false);
      }
      strictEqual(error.name, name);
    }
  }
});

test("is() knows the errors of classes that a program derives", () => {
  class EmailTaken extends RpcError {
    override name = "EmailTaken";
  }
  const error = new EmailTaken("EMAIL_TAKEN", "text");
  ok(AegisError.is(error) && RpcError.is(error) && copy.RpcError.is(error) && EmailTaken.is(error));
  strictEqual(TimeoutError.is(error), false);
  strictEqual(EmailTaken.is(new RpcError("EMAIL_TAKEN", "text")), false);
});

test("is() is false for anything else, and does not throw", () => {
  const others = [undefined, null, 5, "TIMEOUT", {}, [], new Error("a"), { code: "TIMEOUT" }];
  for (const other of [...others, Object.create(null), () => {}]) {
    strictEqual(AegisError.is(other), false);
    strictEqual(TimeoutError.is(other, "TIMEOUT"), false);
  }
});

test("an error shows what it is for, and nothing of how it is known", () => {
  const error = new RpcError("EMAIL_TAKEN", "text", { field: "email" });
  deepStrictEqual(Object.keys(error).sort(), ["code", "data", "details", "name"]);
  strictEqual(`${error}`, "RpcError: text");
});
