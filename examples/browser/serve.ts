// Serves the page, with a café and a nats-server of its own; with --worker PORT the worker of ../17_worker.ts beside it.
// deno task browser, deno task worker

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { parseArgs } from "node:util";
import { connect, createLogger, run } from "@aegis/sdk";
import { bundle } from "../../tools/edge_bundle.ts";
import { startWebSocketServer } from "../../tools/nats_websocket.ts";
import { startWorker, type Worker } from "../../tools/workerd.ts";
import { createCafe } from "./cafe.ts";

const { values } = parseArgs({
  options: {
    // Of each 0 is a free one.
    port: { type: "string", default: "8000" }, // of the page
    nats: { type: "string", default: "8080" }, // of the server's WebSockets
    worker: { type: "string" }, // its port, if there is to be one
  },
});

for (const [name, text] of Object.entries(values)) {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    console.error(`--${name} takes a port, from 0 to 65535, not "${text}"`);
    process.exit(1);
  }
}

const logger = createLogger({ level: "warn" });
const nats = await startWebSocketServer({}, Number(values.nats) || undefined);
await using bus = await connect({ servers: nats.server.url, name: "cafe", logger });
const cafe = await createCafe(bus);

const { first: [script = ""] } = await bundle(`import "./examples/browser/page.ts";`);
const file = (name: string) => readFile(new URL(name, import.meta.url), "utf8");
const FILES: Readonly<Record<string, readonly [type: string, text: string]>> = {
  "/": ["text/html", await file("index.html")],
  "/page.css": ["text/css", await file("page.css")],
  "/page.js": ["text/javascript", script],
};
const pages = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const [type, text] = FILES[pathname] ?? ["text/plain", "Not found"];
  response.writeHead(pathname in FILES ? 200 : 404, { "content-type": `${type}; charset=utf-8` });
  response.end(text);
});
let worker: Worker | undefined;

/** What runs beside the café, and ends before it. */
const site = {
  status: "initializing",
  async start() {
    await new Promise<void>((resolve) => {
      pages.listen(Number(values.port), "127.0.0.1", resolve);
    });
    const { port } = pages.address() as AddressInfo;
    console.log(`The page is at http://localhost:${port}/?nats=${nats.url}`);
    if (values.worker === undefined) return;
    worker = await startWorker("examples/17_worker.ts", {
      vars: { NATS: nats.url },
      objects: { VISITS: "Visits" },
      port: Number(values.worker),
    });
    console.log(`The worker is at ${worker.url}
  curl "${worker.url}price?drink=mocha"
  curl -X POST "${worker.url}orders?drink=mocha"    and then orders/ID, board, visits`);
  },
  async stop() {
    pages.close();
    await worker?.[Symbol.asyncDispose]();
  },
};

await run(cafe, site);
await bus.close();
await nats.server.stop();
