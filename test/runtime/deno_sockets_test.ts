// TLS on Deno's own sockets, and what is said of a server that is not reached on them.

import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { NatsConnection } from "@nats-io/nats-core";
import { connectNats } from "../../src/adapters/nats/connect.ts";
import { dialDeno } from "../../src/adapters/nats/deno.ts";
import { AegisError } from "../../src/domain/error.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";
import { freePorts, type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import { secondCopy } from "../nats/second_copy.ts";

const skip = !("Deno" in globalThis);
const why = skip ? " (on Deno only)" : "";
// A copy of its own: what is connected in this process by other files goes another way.
const copy = await secondCopy();
after(() => copy[Symbol.asyncDispose]());

const file = (name: string) => fileURLToPath(new URL(`../nats/certs/${name}`, import.meta.url));
/** The same for a configuration of nats-server, where a backslash has to be doubled. */
const quoted = (name: string) => JSON.stringify(file(name));
const CA = { caFile: file("ca.pem") };
const OTHER_CA = { caFile: file("other_ca.pem") };

function connectTo(options: object): Promise<NatsConnection> {
  const resolved = parseConnectOptions(options, {}, "deno");
  return connectNats(resolved, { dial: copy.dial, readFile });
}

async function accepted(options: object): Promise<void> {
  const connection = await connectTo(options);
  await connection.flush();
  await connection.close();
}

async function refused(options: object, code: string, message: RegExp): Promise<void> {
  await rejects(connectTo(options), (error: unknown) => {
    ok(AegisError.is(error), `${error}`);
    strictEqual(error.code, code, error.message);
    match(error.message, message);
    return true;
  });
}

/** A server with TLS, for the time of `use`. */
async function withTls(
  more: string,
  use: (server: NatsServer) => Promise<void>,
  certificate = "server",
): Promise<void> {
  const config = `tls {
    cert_file: ${quoted(`${certificate}.pem`)}, key_file: ${quoted(`${certificate}.key`)}
    ca_file: ${quoted("ca.pem")}, ${more}
  }`;
  await using server = await startNatsServer({ config, jetstream: false });
  await use(server);
}

test(`./deno holds a server's certificate against tls.caFile, and its name against servers${why}`, {
  skip,
}, async () => {
  await withTls("", async ({ url, port }) => {
    await accepted({ servers: url, tls: CA });
    await accepted({ servers: `tls://localhost:${port}`, tls: CA });
    for (const tls of [OTHER_CA, undefined]) {
      await refused({ servers: url, ...tls && { tls } }, "TLS", /not trusted here; .*tls\.caFile/);
    }
  });
  await withTls("", async ({ url, port }) => {
    for (const servers of [url, `localhost:${port}`]) {
      await refused({ servers, tls: CA }, "TLS", /is for another host; use in servers a name/);
    }
  }, "elsewhere");
});

test(`./deno names the entry to take where the server wants a client certificate${why}`, {
  skip,
}, async () => {
  await withTls("verify: true", async ({ url, port }) => {
    const message =
      /wants a client certificate, and @aegis\/sdk\/deno has none; import connect from @aegis\/sdk, /;
    const all = [url, `localhost:${port}`];
    await Promise.all(all.map((servers) => refused({ servers, tls: CA }, "TLS", message)));
  });
});

test(
  `./deno says why a server is not reached as the other entries do${why}`,
  { skip },
  async () => {
    const [nobody = 0] = await freePorts(1);
    const code = "SERVICE_UNAVAILABLE";
    await refused({ servers: `127.0.0.1:${nobody}` }, code, /: connection refused\. Start one/);
    await refused({ servers: "nobody.invalid:4222" }, code, /: the name is not known\. Start one/);
    const sayings: [string | undefined, RegExp][] = [
      ["", /: it hung up without a word; a server with handshake_first wants/],
      ["HTTP/1.1 400 Bad Request\r\n", /: it is no NATS server\. Start one/],
      [undefined, /: no answer in time\. Start one/],
    ];
    for (const [saying, message] of sayings) {
      const server = createServer((socket) => {
        socket.on("error", () => {});
        if (saying === "") socket.end();
        else if (saying !== undefined) socket.write(saying);
        else after(() => socket.destroy());
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { readonly port: number };
      const timeoutMs = saying === undefined ? 1_000 : 5_000;
      await refused({ servers: `127.0.0.1:${port}`, timeoutMs }, code, message);
      server.close();
    }
  },
);

test("./deno says that its transport cannot be loaded, and names the entry that needs none", async () => {
  const cause = new Error("JSR package manifest for '@nats-io/transport-deno' failed to load");
  const dial = dialDeno({
    load: () => Promise.reject(cause),
    open: () => Promise.reject(cause),
  });
  await rejects(connectNats(parseConnectOptions({ servers: "a,b" }, {}, "deno"), { dial }), {
    name: "TypeError",
    message: "connect(): @aegis/sdk/deno needs @nats-io/transport-deno, which is for Deno alone, " +
      `and it cannot be loaded: ${cause.message}; import connect from @aegis/sdk, which goes without`,
    cause,
  });
});

test("a look at the greeting of a server is over when the time is, also where it was reached only then", async () => {
  const late = new DOMException("late", "TimeoutError");
  for (const reached of ["before", "then"]) {
    const abort = new AbortController();
    let closed = 0;
    const dial = dialDeno({
      load: () => Promise.resolve({ connect: () => Promise.reject(late) }),
      open: () => {
        if (reached === "then") abort.abort();
        let end = (_size: null): void => {};
        const read = new Promise<null>((resolve) => end = resolve);
        return Promise.resolve({
          read: () => read,
          close() {
            closed++;
            end(null);
          },
        });
      },
    });
    const dialled = dial({ servers: ["nats://[::1]:4222"] }, abort.signal);
    setTimeout(() => abort.abort(), 10);
    await rejects(dialled, (error) => error === late);
    strictEqual(closed, 1, reached);
  }
});
