// Environment variables: what may be read is, and nothing else is asked for.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { readEnvironment } from "../../src/adapters/system/environment.ts";

/** Runs `use` with other globals than those of this runtime. */
function withGlobals(globals: { Deno: unknown; process: unknown }, use: () => void): void {
  const before = (["Deno", "process"] as const).map((name) =>
    [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const
  );
  try {
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    use();
  } finally {
    for (const [name, descriptor] of before) {
      if (descriptor === undefined) delete (globalThis as Record<string, unknown>)[name];
      else Object.defineProperty(globalThis, name, descriptor);
    }
  }
}

test("readEnvironment() gives the variables that are set, also to nothing, and leaves out the others", () => {
  process.env.AEGIS_TEST_SET = "value";
  process.env.AEGIS_TEST_EMPTY = "";
  delete process.env.AEGIS_TEST_UNSET;
  try {
    deepStrictEqual(
      readEnvironment(["AEGIS_TEST_SET", "AEGIS_TEST_EMPTY", "AEGIS_TEST_UNSET"]),
      { AEGIS_TEST_SET: "value", AEGIS_TEST_EMPTY: "" },
    );
  } finally {
    delete process.env.AEGIS_TEST_SET;
    delete process.env.AEGIS_TEST_EMPTY;
  }
});

test("readEnvironment() reads under Deno what was granted, and does not touch the rest", () => {
  const read: string[] = [];
  const Deno = {
    env: {
      get(name: string) {
        read.push(name);
        return `value of ${name}`;
      },
    },
    permissions: {
      querySync: ({ variable }: { variable: string }) => ({
        state: variable === "GRANTED" ? "granted" : variable === "ASK" ? "prompt" : "denied",
      }),
    },
  };
  withGlobals({ Deno, process: { env: { ASK: "not this one" } } }, () => {
    deepStrictEqual(readEnvironment(["ASK", "GRANTED", "DENIED"]), { GRANTED: "value of GRANTED" });
  });
  deepStrictEqual(read, ["GRANTED"]);
});

test("readEnvironment() finds nothing where there is no environment", () => {
  for (const process of [undefined, {}, { env: undefined }]) {
    withGlobals({ Deno: undefined, process }, () => {
      deepStrictEqual(readEnvironment(["PATH"]), {});
    });
  }
});

const onDeno = "Deno" in globalThis;

test("under Deno a program on memory: needs no permission, and is asked for none", {
  skip: !onDeno,
}, async () => {
  const mod = new URL("../../mod.ts", import.meta.url).href;
  const program = `
    import { connect, createClient, createLogger, createService, rpc } from "${mod}";
    await using bus = await connect({ servers: "memory:", logger: createLogger({ level: "silent" }) });
    await using service = createService("a", { bus, handlers: [rpc("b", () => "done")] });
    await service.start();
    console.log(await createClient({ bus }).call("a", "b"));`;
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const child = spawn(process.execPath, ["run", "--config", config, "-"], {
    env: { ...process.env, AEGIS_SERVERS: "nats://127.0.0.1:1", NO_COLOR: "1" },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  child.stdin.end(program);
  const code = await new Promise((resolve) => child.once("close", resolve));
  strictEqual(code, 0, output);
  strictEqual(output, "done\n");
});
