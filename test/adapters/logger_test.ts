import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { asLogger } from "../../src/adapters/system/as_logger.ts";
import { createLogger, type LoggerOptions } from "../../src/adapters/system/logger.ts";
import { RpcError } from "../../src/domain/error.ts";
import type { Logger, LoggerLike } from "../../src/ports/logger.ts";

type Line = Record<string, unknown>;

function captured(options: LoggerOptions = {}): { log: Logger; lines: () => Line[] } {
  const written: string[] = [];
  const log = createLogger({ write: (line) => written.push(line), ...options });
  return { log, lines: () => written.map((line) => JSON.parse(line) as Line) };
}

/** What was called on a logger of another make: the method, then its arguments. */
function recorder(members: Record<string, unknown> = {}): { like: LoggerLike; calls: unknown[][] } {
  const calls: unknown[][] = [];
  const methods = ["debug", "info", "warn", "error"].map((level) => [
    level,
    (...args: unknown[]) => void calls.push([level, ...args]),
  ]);
  return { like: { ...Object.fromEntries(methods), ...members } as LoggerLike, calls };
}

test("a line is JSON with time, level, message and the fields, in this order", () => {
  const { log, lines } = captured();
  log.info("paid", { id: 7 });
  const [line] = lines();
  deepStrictEqual(Object.keys(line!), ["time", "level", "message", "id"]);
  strictEqual(line!.level, "info");
  strictEqual(line!.message, "paid");
  strictEqual(new Date(line!.time as string).toISOString(), line!.time);
});

test("the level is info by default, and silent writes nothing", () => {
  for (
    const [level, expected] of [
      [undefined, ["info", "warn", "error"]],
      ["debug", ["debug", "info", "warn", "error"]],
      ["error", ["error"]],
      ["silent", []],
    ] as const
  ) {
    const { log, lines } = captured(level === undefined ? {} : { level });
    for (const each of ["debug", "info", "warn", "error"] as const) log[each]("m");
    deepStrictEqual(lines().map((line) => line.level), expected);
  }
});

test("a level that there is not is refused", () => {
  throws(
    () => createLogger({ level: "loud" as "info" }),
    /level must be one of debug, .*, not "loud"/,
  );
});

test("with() puts fields on every line, later ones winning", () => {
  const { log, lines } = captured({ fields: { service: "a", n: 1 } });
  log.with({ n: 2, job: "j" }).warn("m", { n: 3 });
  log.warn("m");
  const [first, second] = lines();
  deepStrictEqual([first!.service, first!.n, first!.job], ["a", 3, "j"]);
  deepStrictEqual([second!.service, second!.n, second!.job], ["a", 1, undefined]);
});

test("a line with many bytes or lines stays one line", () => {
  const written: string[] = [];
  createLogger({ write: (line) => written.push(line) }).info("a\nb", { text: "c\r\nd" });
  strictEqual(written.length, 1);
  ok(!/[\r\n]/.test(written[0]!));
});

test("an error is written with name, code, message, stack and cause", () => {
  const { log, lines } = captured();
  const cause = new TypeError("inner");
  log.error("m", {
    error: new RpcError("EMAIL_TAKEN", "taken", undefined, { cause, details: { a: 1 } }),
  });
  const error = lines()[0]!.error as Line;
  deepStrictEqual([error.name, error.code, error.message], ["RpcError", "EMAIL_TAKEN", "taken"]);
  deepStrictEqual(error.details, { a: 1 });
  match(error.stack as string, /taken|logger_test/);
  deepStrictEqual([(error.cause as Line).name, (error.cause as Line).message], [
    "TypeError",
    "inner",
  ]);
});

test("cycles, bigint, NaN, functions, symbols, maps, sets, dates and bytes are written", () => {
  const { log, lines } = captured();
  const cycle: Line = { a: 1 };
  cycle.self = cycle;
  const error = new Error("loop");
  error.cause = error;
  log.info("m", {
    cycle,
    error,
    big: 2n ** 70n,
    nan: NaN,
    call: function named() {},
    symbol: Symbol("s"),
    map: new Map([["k", 1n]]),
    set: new Set([1]),
    date: new Date(0),
    bytes: new Uint8Array(3),
    nothing: undefined,
  });
  const { time: _t, level: _l, message: _m, error: written, ...fields } = lines()[0]!;
  strictEqual((written as Line).cause, "[Circular]");
  deepStrictEqual(fields, {
    cycle: { a: 1, self: "[Circular]" },
    big: "1180591620717411303424",
    nan: "NaN",
    call: "[Function named]",
    symbol: "Symbol(s)",
    map: [["k", "1"]],
    set: [1],
    date: "1970-01-01T00:00:00.000Z",
    bytes: "[Uint8Array of 3 bytes]",
  });
});

test("what stands in two places is written in both", () => {
  const { log, lines } = captured();
  const shared = { a: 1 };
  log.info("m", { x: shared, y: shared });
  deepStrictEqual(lines()[0]!.y, { a: 1 });
});

test("a field that cannot be read does not break the line", () => {
  const { log, lines } = captured();
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();
  log.info("m", {
    good: 1,
    getter: {
      get bad(): never {
        throw new Error("no");
      },
      fine: 2,
    },
    json: {
      toJSON() {
        throw new Error("never");
      },
    },
    proxy: revoked.proxy,
  });
  const { good, getter, json, proxy } = lines()[0]!;
  strictEqual(good, 1);
  deepStrictEqual(getter, { bad: "[Unreadable: no]", fine: 2 });
  strictEqual(json, "[Unreadable: never]");
  match(proxy as string, /^\[Unreadable: /);
});

test("deep values are cut off", () => {
  const { log, lines } = captured();
  let deep: unknown = "end";
  for (let i = 0; i < 10_000; i++) deep = { deep };
  log.info("m", { deep });
  ok(JSON.stringify(lines()[0]).length < 500);
});

test("a field does not hide time, level or message", () => {
  const { log, lines } = captured({ fields: { time: 1 } });
  log.info("m", { level: "fatal", message: "other" });
  const line = lines()[0]!;
  deepStrictEqual([line.level, line.message, line.time_], ["info", "m", 1]);
  deepStrictEqual([line.level_, line.message_], ["fatal", "other"]);
});

test("lines go to console.log and console.error by default", () => {
  const { log, error } = console;
  const seen: string[] = [];
  console.log = () => void seen.push("log");
  console.error = () => void seen.push("error");
  try {
    const logger = createLogger({ level: "debug" });
    for (const level of ["debug", "info", "warn", "error"] as const) logger[level]("m");
  } finally {
    console.log = log;
    console.error = error;
  }
  deepStrictEqual(seen, ["log", "log", "error", "error"]);
});

test("asLogger() gives back a logger of ours", () => {
  const log = createLogger();
  strictEqual(asLogger(log), log);
});

test("asLogger() calls what is like console with the message, then the fields", () => {
  const { like, calls } = recorder();
  const log = asLogger(like).with({ a: 1 });
  asLogger(like).debug("bare");
  log.info("m");
  log.with({ b: 2 }).error("n", { a: 3 });
  deepStrictEqual(calls, [["debug", "bare"], ["info", "m", { a: 1 }], ["error", "n", {
    a: 3,
    b: 2,
  }]]);
});

test("asLogger() calls pino with the fields first, errors written out", () => {
  const { like, calls } = recorder({ child: () => {}, bindings: () => ({}) });
  const log = asLogger(like);
  log.info("bare");
  log.with({ a: 1 }).warn("m", { error: new TypeError("no") });
  deepStrictEqual(calls[0], ["info", "bare"]);
  const [level, fields, message] = calls[1]!;
  deepStrictEqual([level, message], ["warn", "m"]);
  strictEqual((fields as Line).a, 1);
  strictEqual(((fields as Line).error as Line).message, "no");
});

test("asLogger() calls LogTape with the message first, braces made harmless", () => {
  const { like, calls } = recorder({ with: () => {}, getChild: () => {} });
  asLogger(like).warn('bad {"a":1}', { b: 2 });
  deepStrictEqual(calls, [["warn", 'bad {{"a":1}}', { b: 2 }]]);
});

test("asLogger() keeps a logger's this", () => {
  class Custom {
    readonly #lines: unknown[] = [];
    debug(): void {}
    info(...args: unknown[]): void {
      this.#lines.push(args);
    }
    warn(): void {}
    error(): void {}
    count(): number {
      return this.#lines.length;
    }
  }
  const custom = new Custom();
  asLogger(custom).info("m");
  strictEqual(custom.count(), 1);
});

test("asLogger() refuses what is no logger, and names what it lacks", () => {
  throws(() => asLogger({ info() {} } as unknown as LoggerLike), /lacks debug, warn, error/);
  throws(() => asLogger(undefined as unknown as LoggerLike), TypeError);
});
