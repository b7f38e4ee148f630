// What commands come to that are not as their schemas and encodings ask for: at once, and with what is wrong.

import { deepStrictEqual, ok } from "node:assert/strict";
import * as v from "valibot";
import { command, CommandError, createClient, rpc, ValidationError } from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";
import { bothStreams, errorOf } from "./buses.ts";

const QUICK = { initialDelayMs: 10, factor: 1, jitter: 0 };

bothStreams(
  "what a schema says against a payload is the result, at once and with its issues",
  async (buses) => {
    let runs = 0;
    const payload = v.object({ total: v.number() });
    await buses.serve("jobs", [command("work", { payload, retry: QUICK }, () => ++runs)]);
    const job = await createClient({ bus: buses.client }).send("jobs", "work", { total: "many" });
    const error = await errorOf(job.result());
    ok(ValidationError.is(error), `${error}`);
    deepStrictEqual(error.issues.map(({ path }) => path), [["total"]]);
    const { state, attempts, error: kept } = await job.status();
    deepStrictEqual([state, attempts, kept?.code, runs], ["failed", 1, "INVALID_REQUEST", 0]);
  },
);

bothStreams(
  "a result that its schema does not allow is the handler's failure, not the sender's",
  async (buses) => {
    const result = v.object({ total: v.number() });
    await buses.serve("jobs", [
      command("work", { result, retry: false }, () => ({ total: "many" as unknown as number })),
    ]);
    const job = await createClient({ bus: buses.client }).send("jobs", "work");
    const error = await errorOf(job.result());
    ok(CommandError.is(error), `${error}`);
    ok(!ValidationError.is(error));
  },
);

bothStreams("a result that has no encoding, or is too large, fails at once", async (buses) => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  const results: Record<string, unknown> = {
    cycle,
    bigint: { n: 1n },
    large: "x".repeat(2_000_000),
    function: () => 1,
    symbol: Symbol("a"),
  };
  const runs: string[] = [];
  await buses.serve("jobs", [
    command("work", { retry: QUICK }, ({ payload }) => {
      const { which } = payload as { which: string };
      runs.push(which);
      return results[which];
    }),
  ]);
  const client = createClient({ bus: buses.client });
  for (const which of Object.keys(results)) {
    const job = await client.send("jobs", "work", { which });
    const error = await errorOf(job.result());
    ok(CommandError.is(error), `${which}: ${error}`);
    deepStrictEqual(
      [error.code, error.attempts],
      [which === "large" ? "PAYLOAD_TOO_LARGE" : "SERIALIZATION", 1],
    );
    ok(error.message.startsWith("The result of work of jobs cannot be kept: "), error.message);
  }
  deepStrictEqual(runs, Object.keys(results));
});

for (const codec of ["JSON", "MessagePack"] as const) {
  bothStreams(
    `what ${codec} writes of odd results arrives, of a command as of a call`,
    async (buses) => {
      const results: Record<string, unknown> = {
        nothing: undefined,
        nan: NaN,
        infinite: -Infinity,
        map: new Map([["a", 1]]),
        set: new Set([1]),
        date: new Date(5),
        parts: { function: () => 1, symbol: Symbol("a"), undefined, nan: NaN, kept: 1 },
        list: [() => 1, undefined, NaN],
      };
      const result = (named: unknown) => results[(named as { which: string }).which];
      const options = codec === "JSON" ? {} : { codec: msgpack() };
      await buses.serve("jobs", [
        command("work", ({ payload }) => result(payload)),
        rpc("ask", (params) => result(params)),
      ]);
      const client = createClient({ bus: await buses.open(options) });
      const other = createClient({ bus: await buses.open() });
      const got: Record<string, unknown> = {};
      for (const which of Object.keys(results)) {
        const job = await client.send("jobs", "work", { which });
        got[which] = await job.result();
        deepStrictEqual(got[which], await client.call("jobs", "ask", { which }), which);
        deepStrictEqual(await (await other.command(job.id)).result(), got[which], which);
      }
      const json = codec === "JSON";
      deepStrictEqual(got, {
        nothing: null,
        nan: json ? null : NaN,
        infinite: json ? null : -Infinity,
        map: {},
        set: {},
        date: "1970-01-01T00:00:00.005Z",
        parts: { nan: json ? null : NaN, kept: 1 },
        list: [null, null, json ? null : NaN],
      });
    },
  );
}
