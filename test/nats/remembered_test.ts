// What a service remembers of the calls that it has answered is small, however large the calls were.

import { ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect, createClient, createLogger } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";

const program = fileURLToPath(new URL("./remembered_program.ts", import.meta.url));
const args = "Deno" in globalThis
  ? ["run", "-A", "--no-check", "--v8-flags=--expose-gc", program]
  : ["--expose-gc", program];

// Bun cuts strings in another way, and does not tell its heap as V8 does.
test(
  "a thousand large calls leave nothing on the service",
  { skip: "Bun" in globalThis },
  async () => {
    await using server = await startNatsServer({ jetstream: false });
    const child = spawn(process.execPath, [...args, server.url], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      await once(child.stdout, "data");
      await using bus = await connect({
        servers: server.url,
        logger: createLogger({ level: "silent" }),
      });
      const { call } = createClient({ bus });
      const heap = () => call<number>("remembering", "heap");
      for (let n = 0; n < 100; n++) await call("remembering", "take", { n });
      const before = await heap();
      for (let n = 0; n < 1_000; n++) {
        await call("remembering", "take", { text: `${n}`.padEnd(40_000, "x") });
      }
      const grown = (await heap() - before) / 1e6;
      ok(grown < 5, `${grown} MB`);
      // What a handler keeps of its context keeps nothing of what was read with it.
      for (let n = 0; n < 500; n++) {
        await call("remembering", "keep", { text: `${n}`.padEnd(40_000, "x") });
      }
      const kept = (await heap() - before) / 1e6 - grown;
      ok(kept < 5, `${kept} MB`);
    } finally {
      child.kill();
      await once(child, "exit");
    }
  },
);
