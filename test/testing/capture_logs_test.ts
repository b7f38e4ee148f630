import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { connect, createClient, createService, rpc } from "../../mod.ts";
import { captureLogs } from "../../testing.ts";

test("captureLogs() keeps every line in order, with its level", () => {
  const { logger, lines } = captureLogs();
  logger.debug("one");
  logger.info("two", { a: 1 });
  logger.warn("three");
  logger.error("four", { cause: null });
  deepStrictEqual(lines, [
    { level: "debug", message: "one", fields: {} },
    { level: "info", message: "two", fields: { a: 1 } },
    { level: "warn", message: "three", fields: {} },
    { level: "error", message: "four", fields: { cause: null } },
  ]);
});

test("captureLogs() merges the fields of with(), the innermost last", () => {
  const { logger, lines } = captureLogs();
  const child = logger.with({ a: 1, b: 1, c: 1 }).with({ b: 2, c: 2 });
  child.info("merged", { c: 3 });
  logger.info("plain");
  deepStrictEqual(lines.map(({ fields }) => fields), [{ a: 1, b: 2, c: 3 }, {}]);
});

test("what a service and its handlers log is captured", async () => {
  const { logger, lines } = captureLogs();
  await using bus = await connect({ servers: "memory:", logger });
  const fail = rpc("fail", () => {
    throw new Error("no paper left");
  });
  await using service = createService("printer", { bus, handlers: [fail] });
  await service.start();
  await createClient({ bus }).call("printer", "fail").catch(() => {});
  const [failed] = lines.filter(({ level }) => level === "error");
  ok(failed?.fields["error"] instanceof Error);
  strictEqual(failed.fields["service"], "printer");
});
