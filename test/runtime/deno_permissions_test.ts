// The least that Deno has to permit, as docs/runtimes.md says it, and what is said where less is permitted.

import { match, notStrictEqual, strictEqual } from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";

const skip = !("Deno" in globalThis);
const why = skip ? " (on Deno only)" : "";
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

let server: NatsServer | undefined;
before(async () => {
  if (!skip) server = await startNatsServer();
});
after(() => server?.stop());

/** Runs an example, a service and its client in one program, with nothing permitted but what is named. */
function run(
  permissions: readonly string[],
  servers: string,
  env: Record<string, string> = {},
): Promise<{ readonly code: number; readonly output: string }> {
  const args = ["run", "--no-prompt", ...permissions, "examples/01_rpc.ts", servers];
  const options = { cwd: ROOT, env: { ...process.env, NO_COLOR: "1", ...env } };
  return new Promise((resolve) => {
    execFile(process.execPath, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, output: stdout + stderr });
    });
  });
}

async function runs(...args: Parameters<typeof run>): Promise<void> {
  const { code, output } = await run(...args);
  strictEqual(code, 0, output);
  match(output, /^one instance: \{ left: 95 \}$/m);
}

async function ends(because: RegExp, ...args: Parameters<typeof run>): Promise<void> {
  const { code, output } = await run(...args);
  notStrictEqual(code, 0, output);
  match(output, because);
}

test(`memory: needs no permission${why}`, { skip }, async () => {
  await runs([], "memory:");
});

test(`a server by its IP address needs --allow-net=IP:PORT${why}`, { skip }, async () => {
  await runs([`--allow-net=127.0.0.1:${server!.port}`], server!.url);
  await ends(/Requires net access to "127\.0\.0\.1:/, ["--allow-net=127.0.0.1:1"], server!.url);
});

test(`a server by its name needs --allow-net=NAME,IP:PORT${why}`, { skip }, async () => {
  const { port } = server!;
  const url = `nats://localhost:${port}`;
  await runs([`--allow-net=localhost,127.0.0.1:${port},[::1]:${port}`], url);
  await ends(/may not look the name up; under Deno/, [`--allow-net=localhost:${port}`], url);
  await ends(/Requires net access to "/, ["--allow-net=localhost"], url);
});

test(`options from the environment need --allow-env=NAME${why}`, { skip }, async () => {
  const net = `--allow-net=127.0.0.1:${server!.port}`;
  const env = { AEGIS_TIMEOUT_MS: "soon" };
  await ends(/AEGIS_TIMEOUT_MS.*soon/, [net, "--allow-env=AEGIS_TIMEOUT_MS"], server!.url, env);
  await runs([net], server!.url, env); // a variable that may not be read counts as not set
});

test(`files that options name need --allow-read=PATH${why}`, { skip }, async () => {
  const file = join(ROOT, "test", "nats", "certs", "ca.pem");
  const permissions = [`--allow-net=127.0.0.1:${server!.port}`, "--allow-env=AEGIS_TLS_CA_FILE"];
  const env = { AEGIS_TLS_CA_FILE: file };
  // That the server has no TLS is found out once the file was read.
  await ends(/the server has no TLS/, [...permissions, `--allow-read=${file}`], server!.url, env);
  await ends(
    /ca\.pem.*[Rr]equires read access|[Rr]equires read access.*ca\.pem/,
    permissions,
    server!.url,
    env,
  );
});
