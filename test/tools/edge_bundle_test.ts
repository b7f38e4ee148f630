import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { stop } from "esbuild";
import type * as edge from "../../edge.ts";
import { bundle, gzipped, loadedLater } from "../../tools/edge_bundle.ts";
import { moduleAt, moduleScopeUses } from "../../tools/module_scope.ts";
import { startWebSocketServer } from "../../tools/nats_websocket.ts";

after(() => stop());

test("moduleScopeUses() finds what code does while it is loaded, and where", () => {
  const cases: [code: string, what: string][] = [
    ["setTimeout(() => {}, 1);", "setTimeout"],
    ["const id = crypto.randomUUID();", "crypto.randomUUID"],
    ["self.crypto.getRandomValues(new Uint8Array(4));", "crypto.getRandomValues"],
    ["globalThis.performance.now();", "performance.now"],
    ["const salt = Math.random();", "Math.random"],
    ["const start = Date.now();", "Date.now"],
    ["class Clock { static start = new Date(); }", "new Date"],
    ["const text = Date();", "Date"],
    ["try { fetch('http://a'); } catch {}", "fetch"],
    ["const socket = new WebSocket('ws://a');", "WebSocket"],
    ["const aborter = new AbortController();", "AbortController"],
    ["console.warn('loaded');", "console.warn"],
  ];
  for (const [code, what] of cases) {
    deepStrictEqual(moduleScopeUses(`const nothing = 0;\n${code}`), [{ what, line: 2 }]);
  }
});

test("moduleScopeUses() lets functions have what they only use when they are called", () => {
  const code = `
    const { setTimeout: later, crypto: { randomUUID } } = globalThis;
    const wait = () => later(() => {}, Math.random() * Date.now());
    class Id { made = randomUUID(); static epoch = new Date(0).getTime(); }
    const encoder = new TextEncoder().encode("a");
    const is = new Date(5) instanceof Date;
  `;
  deepStrictEqual(moduleScopeUses(code), []);
});

test("moduleScopeUses() says when code cannot be loaded at all", () => {
  throws(() => moduleScopeUses("nobody.knows();"), { name: "ReferenceError" });
});

test("moduleAt() names the module of a line of a bundle", async () => {
  const { first: [code = ""] } = await bundle(`export { deferred } from "./src/domain/deferred.ts";
    export const own = 1;`);
  const line = (text: string) => code.split("\n").findIndex((one) => one.includes(text)) + 1;
  strictEqual(moduleAt(code, line("own = 1")), "entry.ts");
  strictEqual(moduleAt(code, line("function deferred")), "src/domain/deferred.ts");
  strictEqual(moduleAt("let a;", 1), "the bundle");
});

test("bundle() refuses what no browser has", async () => {
  await rejects(
    bundle(`import { readFile } from "node:fs/promises"; console.log(readFile);`),
    /Could not resolve "node:fs\/promises"/,
  );
});

test("bundle() tells what is loaded at first from what is loaded later", async () => {
  const { first, later, inputs } = await bundle(
    `import { rpcSubject } from "./src/domain/subject.ts"; console.log(rpcSubject);
    export const broker = () => import("./src/adapters/memory/transport.ts");`,
    { splitting: true },
  );
  deepStrictEqual(loadedLater(inputs), ["./src/adapters/memory/transport.ts"]);
  ok(first.length > 0 && later.length > 0);
  match(later.join("\n"), /createMemoryTransport/);
  strictEqual(first.some((text) => /function createMemoryTransport/.test(text)), false);
  ok(gzipped(later) < later.join("").length);
});

test("a page that calls loads neither the KV store nor the dead letters at first", async () => {
  const { first, later } = await bundle(`export { connect, createClient } from "./edge.ts";`, {
    splitting: true,
  });
  for (const name of ["KvBuckets", "KvFeed", "DeadLetters"]) {
    const made = new RegExp(`\\b${name} = class\\b|\\bclass ${name}\\b`);
    strictEqual(first.some((text) => made.test(text)), false, name);
    match(later.join("\n"), made);
  }
});

for (const splitting of [false, true]) {
  const files = splitting ? "files that are loaded later" : "one file";
  test(`bundled as ${files} a page finds all that it loads later`, async () => {
    const folder = await mkdtemp(join(tmpdir(), "aegis-bundle-"));
    await using server = await startWebSocketServer();
    try {
      const built = await bundle(`export { connect, createClient } from "./edge.ts";`, {
        splitting,
        minify: true,
      });
      strictEqual(built.files.size > 1, splitting);
      await writeFile(join(folder, "package.json"), `{ "type": "module" }`);
      for (const [name, text] of built.files) await writeFile(join(folder, name), text);
      const page: Pick<typeof edge, "connect" | "createClient"> = await import(
        pathToFileURL(join(folder, "stdin.js")).href
      );
      const canDial = "WebSocket" in globalThis; // not on Node 20
      for (const servers of canDial ? ["memory:", server.url] : ["memory:"]) {
        await using bus = await page.connect({ servers });
        const kv = await bus.kv<string>("orders");
        await kv.put("1", "mocha");
        strictEqual((await kv.get("1"))?.value, "mocha");
        deepStrictEqual(await page.createClient({ bus }).listDeadLetters(), []);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });
}
