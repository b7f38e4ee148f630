// Commands: what is read, what is refused, and why.

import { deepStrictEqual, doesNotThrow, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  commandJson,
  type CommandMessage,
  commandValue,
  isPriority,
  PRIORITIES,
  readCommand,
} from "../../src/domain/command.ts";
import type { FreshFields } from "../../src/domain/envelope.ts";
import { ValidationError } from "../../src/domain/error.ts";

const fresh: FreshFields = {
  uuid: () => {
    throw new Error("a command was given a fresh id");
  },
  traceId: () => "trace",
  timestamp: () => "time",
};
const read = (body: unknown): CommandMessage => readCommand(body, fresh);

function issuesOf(body: unknown): string[] {
  try {
    read(body);
  } catch (error) {
    ok(error instanceof ValidationError, String(error));
    return error.issues.map(({ path }) => String(path));
  }
  return [];
}

test("what a command leaves out is filled in, but for its id", () => {
  deepStrictEqual(read({ command: "go" }), {
    messageId: "",
    traceId: "trace",
    correlationId: null,
    timestamp: "time",
    source: null,
    target: null,
    command: "go",
    payload: {},
    priority: "normal",
    maxRetries: 3,
    timeoutMs: 300_000,
  });
});

test("every field that is wrong is named at once", () => {
  const body = {
    message_id: null,
    trace_id: 1,
    correlation_id: 1,
    timestamp: "x",
    source: [],
    target: {},
    command: 5,
    payload: [],
    priority: "urgent",
    max_retries: "3",
    timeout: "5",
    foo: 1,
  };
  deepStrictEqual(issuesOf(body), Object.keys(body));
});

test("a body that is no object is refused", () => {
  for (const body of [null, undefined, 1, "x", [], true]) {
    throws(() => read(body), ValidationError);
  }
});

test("a command has a name, without the blanks around it", () => {
  strictEqual(read({ command: " go\n" }).command, "go");
  for (const body of [{}, { command: "" }, { command: " " }]) {
    deepStrictEqual(issuesOf(body), ["command"]);
  }
  deepStrictEqual(issuesOf({ command: null }), ["command"]);
});

test("the priorities are known, the most urgent first, and are written in lower case", () => {
  deepStrictEqual(PRIORITIES, ["critical", "high", "normal", "low"]);
  for (const priority of PRIORITIES) {
    ok(isPriority(priority));
    strictEqual(read({ command: "c", priority }).priority, priority);
  }
  for (const priority of ["NORMAL", "urgent", "", null, 1, ["low"], {}, "toString"]) {
    strictEqual(isPriority(priority), false);
    deepStrictEqual(issuesOf({ command: "c", priority }), ["priority"]);
  }
});

test("a number of retries is an integer that is exact", () => {
  const retriesOf = (max_retries: unknown): number =>
    read({ command: "c", max_retries }).maxRetries;
  deepStrictEqual([0, -0, 1, 2 ** 40, 7n].map(retriesOf), [0, 0, 1, 2 ** 40, 7]);
  for (const max_retries of [2 ** 53, 1e300, 2n ** 63n, 2n ** 64n - 1n]) {
    strictEqual(retriesOf(max_retries), Number.MAX_SAFE_INTEGER);
  }
  for (const max_retries of [-1, 0.5, NaN, Infinity, -1n, true, null, "3", [3], {}]) {
    deepStrictEqual(issuesOf({ command: "c", max_retries }), ["max_retries"]);
  }
});

test("a time-out is read in seconds and is always finite", () => {
  strictEqual(read({ command: "c", timeout: 2.5 }).timeoutMs, 2_500);
  for (const timeout of [1e300, Number.MAX_VALUE]) {
    strictEqual(read({ command: "c", timeout }).timeoutMs, Number.MAX_SAFE_INTEGER);
  }
  for (const timeout of [0, -1, NaN, Infinity, null, true, "5", 5n]) {
    deepStrictEqual(issuesOf({ command: "c", timeout }), ["timeout"]);
  }
});

test("an id with half a surrogate pair is refused, since it has no bytes", () => {
  for (const message_id of ["\ud800", "a\udc00b"]) {
    deepStrictEqual(issuesOf({ command: "c", message_id }), ["message_id"]);
  }
  for (const message_id of ["", "🌍", "a b", "x".repeat(1_000)]) {
    strictEqual(read({ command: "c", message_id }).messageId, message_id);
  }
});

test("a payload nests to 64 levels, the envelope included, without a key __proto__", () => {
  const nest = (levels: number): unknown => levels === 0 ? 1 : { a: nest(levels - 1) };
  doesNotThrow(() => read({ command: "c", payload: nest(63) }));
  throws(() => read({ command: "c", payload: nest(64) }), /64 levels/);
  throws(() => read({ command: "c", payload: JSON.parse('{"__proto__":1}') }), /__proto__/);
});

test("retries are written as an integer and whole seconds as a float", () => {
  const command = read({ command: "c" });
  const endOf = (maxRetries: number, timeoutMs: number) =>
    commandJson({ ...command, maxRetries, timeoutMs }, "{}").split('"normal",')[1];
  strictEqual(endOf(3, 300_000), '"max_retries":3,"timeout":300.0}');
  strictEqual(endOf(0, 1), '"max_retries":0,"timeout":0.001}');
  strictEqual(
    endOf(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    '"max_retries":9007199254740991,"timeout":9007199254740.99}',
  );
});

const text = fc.string({ unit: "grapheme", maxLength: 8 });
/** Few of each, so that some of two commands are the same and some are not. */
const command: fc.Arbitrary<CommandMessage> = fc.record({
  messageId: text,
  traceId: text,
  correlationId: fc.option(text, { nil: null }),
  timestamp: fc.constantFrom("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.679Z"),
  source: fc.constantFrom(null, "a", 'o"dd'),
  target: fc.constantFrom(null, "a", "svc"),
  command: fc.constantFrom("go", "stop", 'o"dd'),
  payload: fc.dictionary(text.filter((key) => key !== "__proto__"), fc.integer(), {
    maxKeys: 2,
    noNullPrototype: true,
  }),
  priority: fc.constantFrom(...PRIORITIES),
  maxRetries: fc.nat(2),
  timeoutMs: fc.constantFrom(1, 1_500, 300_000),
}, { noNullPrototype: true });

test("what is written is read as it was, whatever was written before it", () => {
  fc.assert(
    fc.property(command, (message) => {
      const body = commandJson(message, JSON.stringify(message.payload));
      deepStrictEqual(read(JSON.parse(body)), message);
      deepStrictEqual(JSON.parse(body), commandValue(message));
      deepStrictEqual(Object.keys(JSON.parse(body)), Object.keys(commandValue(message)));
    }),
    { numRuns: 1_000 },
  );
});

test("any body is a command or an error of the SDK's own", () => {
  const valid = command.map(commandValue);
  const odd = fc.record({
    key: fc.oneof(fc.constantFrom("message_id", "command", "payload", "max_retries"), fc.string()),
    value: fc.anything({ withBigInt: true, withNullPrototype: true }),
  });
  const spoilt = fc.tuple(valid, odd).map(([body, { key, value }]) => ({ ...body, [key]: value }));
  fc.assert(
    fc.property(fc.oneof(fc.anything({ withBigInt: true }), spoilt), (body) => {
      try {
        const { messageId, maxRetries, timeoutMs, priority } = read(body);
        ok(messageId.isWellFormed() && isPriority(priority));
        ok(Number.isSafeInteger(maxRetries) && maxRetries >= 0);
        ok(timeoutMs > 0 && Number.isFinite(timeoutMs));
      } catch (error) {
        ok(error instanceof ValidationError, String(error));
      }
    }),
    { numRuns: 2_000 },
  );
});
