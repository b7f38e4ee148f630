// A logger of the program's own that throws: no answer, no turn and no stop depends on it.

import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type AegisError, createClient, type Logger, type Metrics, rpc } from "../../mod.ts";
import { safeLogger } from "../../src/adapters/system/safe_logger.ts";
import { ask, both, errorOf } from "./buses.ts";

const fail = (): never => {
  throw new Error("the disk is full");
};
const reject = async (): Promise<never> => {
  await Promise.resolve();
  throw new Error("the disk is full");
};
const loggers: [what: string, logger: Logger][] = [
  ["throws", { debug: fail, info: fail, warn: fail, error: fail, with: fail }],
  ["rejects", {
    debug: reject,
    info: reject,
    warn: reject,
    error: reject,
    with: () => loggers[1]![1],
  }],
];
const metrics = {
  increment: fail,
  gauge: fail,
  record: fail,
  timer: fail,
} as unknown as Metrics;

/** Runs with a `console` that says nothing. */
async function quietly(run: () => Promise<void>): Promise<number> {
  const { error } = console;
  let lines = 0;
  console.error = () => void lines++;
  try {
    await run();
  } finally {
    console.error = error;
  }
  return lines;
}

for (const [what, logger] of loggers) {
  both(
    `a logger that ${what} loses no answer, keeps no turn and holds up no stop`,
    async (buses) => {
      await quietly(async () => {
        const bus = await buses.open({ logger, metrics });
        const service = await buses.serve("shop", [
          rpc("fail", { concurrency: 1 }, fail),
          rpc("log", { concurrency: 1 }, (_, ctx) => {
            ctx.log.with({ a: 1 }).info("hello");
            return "logged";
          }),
        ], { bus });
        const { call } = createClient({ bus: buses.client });
        for (let n = 0; n < 3; n++) {
          const error = await errorOf(call("shop", "fail")) as AegisError;
          strictEqual(error.code, "INTERNAL_ERROR");
          strictEqual(error.message, "the disk is full");
          strictEqual(await call("shop", "log"), "logged");
        }
        const refused = await ask(await buses.wire(), "rpc.shop.log", "no json");
        strictEqual(JSON.parse(refused.text).success, false);
        strictEqual((await service.health()).inFlight, 0);
        const started = performance.now();
        await service.stop({ graceMs: 5_000 });
        ok(performance.now() - started < 1_000);
      });
    },
  );
}

test("what a logger throws is told on console, and not without end", async () => {
  const told = await quietly(async () => {
    const log = safeLogger(loggers[0]![1]);
    for (let n = 0; n < 1_000; n++) log.with({ n }).error("again");
    await Promise.resolve();
  });
  ok(told <= 10, `${told} lines`);
});

test("a safe logger hands on what it is given as it is", () => {
  const lines: unknown[][] = [];
  const at = (level: string) => (...args: unknown[]) => void lines.push([level, ...args]);
  const to: Logger = {
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    with: (fields) => ({ ...to, warn: (...args) => void lines.push(["with", fields, ...args]) }),
  };
  const log = safeLogger(to);
  log.debug("a");
  log.error("b", { c: 1 });
  log.with({ d: 2 }).warn("e");
  strictEqual(
    JSON.stringify(lines),
    JSON.stringify([["debug", "a"], ["error", "b", { c: 1 }], ["with", { d: 2 }, "e"]]),
  );
});
