// The least that Deno has to permit: examples run under the very flags of docs/runtimes.md, and what is said where less is
// permitted.

import { match, notStrictEqual, ok, strictEqual } from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";

const skip = !("Deno" in globalThis);
const why = skip ? " (on Deno only)" : "";
const ROOT = new URL("../../", import.meta.url);
const CERTS = fileURLToPath(new URL("test/nats/certs", ROOT));
const read = (path: string) => readFile(new URL(path, ROOT), "utf8");

let server: NatsServer | undefined;
let folder = "";
/** `@aegis/sdk` is the entry `./deno` by this, on what stands for @nats-io/transport-deno. */
let denoEntry: readonly string[] = [];
before(async () => {
  if (skip) return;
  server = await startNatsServer();
  folder = await mkdtemp(join(tmpdir(), "aegis-permissions-"));
  const { imports } = JSON.parse(await read("deno.json")) as {
    readonly imports: Readonly<Record<string, string>>;
  };
  const within = Object.entries(imports).filter(([, target]) => target.startsWith("npm:"))
    .map(([name, target]) => [`${name}/`, `${target.replace("npm:", "npm:/")}/`]);
  const mapped = {
    ...imports,
    ...Object.fromEntries(within),
    "@aegis/sdk": new URL("deno.ts", ROOT).href,
    "@nats-io/transport-deno": new URL("deno_sockets.ts", import.meta.url).href,
  };
  const file = join(folder, "import_map.json");
  await writeFile(file, JSON.stringify({ imports: mapped }));
  denoEntry = ["--no-check", `--import-map=${file}`];
});
after(async () => {
  await server?.stop();
  if (folder !== "") await rm(folder, { recursive: true });
});

/** What docs/runtimes.md says has to be permitted for something, with the server and the files of these tests. */
async function permission(what: string): Promise<string> {
  const rows = (await read("docs/runtimes.md")).split("\n");
  const row = rows.find((line) => line.startsWith(`| ${what} `)) ?? "";
  const flag = /^\|[^|]+\| `(--allow-\w+=[^`]+)`/.exec(row)?.[1];
  ok(flag !== undefined, `docs/runtimes.md has no flag for ${what}`);
  return flag.replace("10.0.0.7:4222", `127.0.0.1:${server!.port}`)
    .replace("nats.example.com:4222", `localhost:${server!.port}`)
    .replace("nats.example.com", "localhost").replace("/run/secrets", CERTS);
}

/** Runs an example, a service and its client in one program, with nothing permitted but what is named. */
function run(
  permissions: readonly string[],
  servers?: string,
  env: Record<string, string> = {},
  example = "01_rpc.ts",
): Promise<{ readonly code: number; readonly output: string }> {
  const program = [`examples/${example}`, ...servers === undefined ? [] : [servers]];
  const args = ["run", "--no-prompt", ...permissions, ...program];
  const options = { cwd: fileURLToPath(ROOT), env: { ...process.env, NO_COLOR: "1", ...env } };
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

/** Examples of what else there is, each with what it says at its end. */
const MORE: Readonly<Record<string, RegExp>> = {
  "08_events.ts": /^billed by three, which was not there: 1$/m,
  "11_commands.ts": /^completed by studio/m,
  "13_kv.ts": /^3 removed, 0 left$/m,
  "14_registry.ts": /^1 call was counted$/m,
  "15_discovery.ts": /^map-1 joined, .* map-1 left$/m,
};

/** Runs these examples too, on the same server as others before: an example leaves nothing that the next run falls over. */
async function allRun(permissions: readonly string[], servers: string): Promise<void> {
  await runs(permissions, servers);
  for (const [example, end] of Object.entries(MORE)) {
    const { code, output } = await run(permissions, servers, {}, example);
    strictEqual(code, 0, output);
    match(output, end);
  }
}

async function ends(because: RegExp, ...args: Parameters<typeof run>): Promise<void> {
  const { code, output } = await run(...args);
  notStrictEqual(code, 0, output);
  match(output, because);
}

test(`memory: needs no permission${why}`, { skip }, async () => {
  match(await read("docs/runtimes.md"), /^\| `memory:` +\| none +\|$/m);
  await allRun([], "memory:");
});

test(`a server by its IP address needs --allow-net=IP:PORT${why}`, { skip }, async () => {
  match(await read("README.md"), /`--allow-net=10\.0\.0\.7:4222`/);
  await allRun([await permission("a server by its IP address")], server!.url);
  await ends(/Requires net access to "127\.0\.0\.1:/, ["--allow-net=127.0.0.1:1"], server!.url);
});

test(`a server by its name needs --allow-net=NAME,IP:PORT${why}`, { skip }, async () => {
  const { port } = server!;
  const url = `nats://localhost:${port}`;
  // That name has two addresses on some machines.
  await runs([`${await permission("a server by its name")},[::1]:${port}`], url);
  await ends(/may not look the name up; under Deno/, [`--allow-net=localhost:${port}`], url);
  await ends(/Requires net access to "/, ["--allow-net=localhost"], url);
});

test(`./deno needs --allow-net=NAME:PORT, and has no name looked up${why}`, { skip }, async () => {
  const url = `nats://localhost:${server!.port}`;
  await allRun([...denoEntry, await permission("the same with `@aegis/sdk/deno`")], url);
  await ends(/[Rr]equires net access to "/, [...denoEntry, "--allow-net=localhost:1"], url);
});

test(`./deno refuses client certificates, and names the entry that has them${why}`, {
  skip,
}, async () => {
  const env = {
    AEGIS_TLS_CERT_FILE: join(CERTS, "client.pem"),
    AEGIS_TLS_KEY_FILE: join(CERTS, "client.key"),
  };
  await ends(
    /no client certificates; import connect from @aegis\/sdk, which has them/,
    [...denoEntry, `--allow-env=${Object.keys(env)}`],
    server!.url,
    env,
  );
});

test(`options from the environment need --allow-env=NAME${why}`, { skip }, async () => {
  const net = `--allow-net=127.0.0.1:${server!.port}`;
  await runs([net, await permission("options from the environment")], undefined, {
    AEGIS_SERVERS: server!.url,
  });
  const env = { AEGIS_TIMEOUT_MS: "soon" };
  await ends(/AEGIS_TIMEOUT_MS.*soon/, [net, "--allow-env=AEGIS_TIMEOUT_MS"], server!.url, env);
  await runs([net], server!.url, env); // a variable that may not be read counts as not set
});

test(`files that options name need --allow-read=PATH${why}`, { skip }, async () => {
  const permissions = [`--allow-net=127.0.0.1:${server!.port}`, "--allow-env=AEGIS_TLS_CA_FILE"];
  const env = { AEGIS_TLS_CA_FILE: join(CERTS, "ca.pem") };
  const files = await permission("`credsFile`, `tls.caFile` and the like");
  // That the server has no TLS is found out once the file was read.
  await ends(/the server has no TLS/, [...permissions, files], server!.url, env);
  await ends(
    /ca\.pem.*[Rr]equires read access|[Rr]equires read access.*ca\.pem/,
    permissions,
    server!.url,
    env,
  );
});
