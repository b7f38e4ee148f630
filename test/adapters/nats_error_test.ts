// Errors of nats.js, made by nats.js itself, as those of the SDK.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { errors, InvalidArgumentError, PermissionViolationError } from "@nats-io/nats-core";
import { translateNatsError } from "../../src/adapters/nats/error.ts";
import { AegisError, SerializationError, UnavailableError } from "../../src/domain/error.ts";

const WHAT = "publish to orders.created";
const denied = new PermissionViolationError(
  `Permissions Violation for Publish to "orders.created"`,
  "publish",
  "orders.created",
);
const notHeard = new PermissionViolationError(
  `Permissions Violation for Subscription to "orders.*"`,
  "subscription",
  "orders.*",
);

const CASES: readonly (readonly [Error, string, string, string])[] = [
  [new errors.ClosedConnectionError(), "ClosedError", "CLOSED", "the connection is closed"],
  [new errors.DrainingConnectionError(), "ClosedError", "CLOSED", "the connection is closed"],
  [
    new errors.NoRespondersError("orders.created"),
    "UnavailableError",
    "SERVICE_UNAVAILABLE",
    "nobody listens",
  ],
  [new errors.TimeoutError(), "TimeoutError", "TIMEOUT", "the server gave no answer in time"],
  [
    new errors.AuthorizationError("Authorization Violation"),
    "AegisError",
    "UNAUTHORIZED",
    'the server said "Authorization Violation"',
  ],
  [
    new errors.UserAuthenticationExpiredError("User Authentication Expired"),
    "AegisError",
    "UNAUTHORIZED",
    'the server said "User Authentication Expired"',
  ],
  [
    denied,
    "AegisError",
    "PERMISSION_DENIED",
    `this user may not publish to "orders.created"; grant it in the server's permissions`,
  ],
  [
    notHeard,
    "AegisError",
    "PERMISSION_DENIED",
    `this user may not subscribe to "orders.*"; grant it in the server's permissions`,
  ],
  [
    new errors.ConnectionError("connection refused"),
    "UnavailableError",
    "SERVICE_UNAVAILABLE",
    "connection refused",
  ],
  [
    new errors.RequestError("connection disconnected"),
    "UnavailableError",
    "SERVICE_UNAVAILABLE",
    "the server is away",
  ],
  [new errors.RequestError("odd"), "AegisError", "NATS", "odd"],
  [
    InvalidArgumentError.format("payload", "max_payload size exceeded"),
    "SerializationError",
    "PAYLOAD_TOO_LARGE",
    "the message is larger than the server's max_payload",
  ],
  [new Error("something else"), "AegisError", "NATS", "something else"],
];

test("an error of nats.js becomes one of the SDK's, whose message says what could not be done and why", () => {
  for (const [cause, name, code, reason] of CASES) {
    const error = translateNatsError(cause, WHAT);
    ok(AegisError.is(error, code), `${cause.name} became ${error}`);
    strictEqual(error.name, name);
    strictEqual(error.message, `Cannot ${WHAT}: ${reason}`);
    strictEqual(error.cause, cause);
  }
});

test("a message begins with a capital letter and ends without a period", () => {
  for (const [cause] of CASES) {
    match(translateNatsError(cause, WHAT).message, /^[A-Z][^]*[^.]$/);
  }
});

test("an error of a request is what it has as its cause", () => {
  const cause = new errors.NoRespondersError("orders.created");
  const error = translateNatsError(new errors.RequestError("no responders", { cause }), WHAT);
  ok(UnavailableError.is(error));
  strictEqual(error.cause, cause);
});

test("an error of permission names subject and operation for programs", () => {
  const error = translateNatsError(denied, WHAT);
  ok(AegisError.is(error));
  deepStrictEqual(error.details, { operation: "publish", subject: "orders.created" });
});

test("an error of another copy of nats-core is known by its name", () => {
  const other = Object.assign(new Error("closed"), { name: "ClosedConnectionError" });
  strictEqual(translateNatsError(other, WHAT).name, "ClosedError");
});

test("an error of the SDK stays what it is", () => {
  const error = new SerializationError("Cannot publish to a: too large");
  strictEqual(translateNatsError(error, WHAT), error);
});

test("what is no error becomes one all the same", () => {
  for (const thrown of ["text", 5, undefined, null, {}]) {
    const error = translateNatsError(thrown, "flush");
    ok(AegisError.is(error, "NATS"));
    strictEqual(error.message, `Cannot flush: ${thrown}`);
    strictEqual(error.cause, thrown);
  }
});
