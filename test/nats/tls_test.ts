import { match, ok, rejects, strictEqual } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { NatsConnection } from "@nats-io/nats-core";
import { connectNats } from "../../src/adapters/nats/connect.ts";
import { dialTcp } from "../../src/adapters/nats/tcp.ts";
import { AegisError } from "../../src/domain/error.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";
import { findNatsServer, type NatsServer, startNatsServer } from "../../tools/nats_server.ts";

// How they are made is told in certs/make.sh.
const file = (name: string) => fileURLToPath(new URL(`./certs/${name}`, import.meta.url));
const CA = { caFile: file("ca.pem") };
const OTHER_CA = { caFile: file("other_ca.pem") };
const CLIENT = { certFile: file("client.pem"), keyFile: file("client.key") };
const OTHER_CLIENT = { certFile: file("other_client.pem"), keyFile: file("other_client.key") };

function connectTo(options: object): Promise<NatsConnection> {
  return connectNats(parseConnectOptions(options, {}), { dial: dialTcp, readFile });
}

/** A server with TLS, for the time of `use`. */
async function withTls(
  more: string,
  use: (server: NatsServer) => Promise<void>,
  certificate = "server",
): Promise<void> {
  const config = `tls {
    cert_file: ${JSON.stringify(file(`${certificate}.pem`))}
    key_file: ${JSON.stringify(file(`${certificate}.key`))}
    ca_file: ${JSON.stringify(CA.caFile)}, ${more}
  }`;
  const server = await startNatsServer({ config, jetstream: false });
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

async function accepted(options: object): Promise<void> {
  const connection = await connectTo(options);
  await connection.flush();
  await connection.close();
}

async function refused(options: object, message: RegExp, code = "TLS"): Promise<void> {
  const start = performance.now();
  await rejects(connectTo(options), (error: unknown) => {
    ok(AegisError.is(error), `${error}`);
    strictEqual(error.code, code, error.message);
    match(error.message, message);
    return true;
  });
  ok(performance.now() - start < 4_000, "it is told at once");
}

test("a server's certificate is held against tls.caFile", async () => {
  await withTls("", async ({ url, port }) => {
    await accepted({ servers: url, tls: CA });
    await accepted({ servers: `localhost:${port}`, tls: CA });
    await accepted({ servers: `tls://127.0.0.1:${port}`, tls: CA });
    await refused({ servers: url, tls: OTHER_CA }, /not trusted here; .* tls\.caFile/);
    await refused({ servers: `tls://127.0.0.1:${port}` }, /not trusted here; .* tls\.caFile/);
    await refused({ servers: url }, /not trusted here; .* tls\.caFile/);
  });
});

test("a certificate for another host is refused", async () => {
  await withTls("", async ({ url, port }) => {
    await refused({ servers: url, tls: CA }, /is for another host/);
    await refused({ servers: `localhost:${port}`, tls: CA }, /is for another host/);
  }, "elsewhere");
});

test("a server that demands a client certificate gets it, and refuses any other or none", async () => {
  await withTls("verify: true", async ({ url }) => {
    await accepted({ servers: url, tls: { ...CA, ...CLIENT } });
    const reason =
      /refused the client certificate, or wants one; give tls\.certFile and tls\.keyFile/;
    for (let i = 0; i < 5; i++) { // What the server says of it races with its hanging up.
      await refused({ servers: url, tls: CA }, reason);
      await refused({ servers: url, tls: { ...CA, ...OTHER_CLIENT } }, reason);
    }
  });
});

test("TLS is a must where tls is given", async () => {
  const server = await startNatsServer({ jetstream: false });
  try {
    await refused({ servers: server.url, tls: CA }, /the server has no TLS; leave out tls/);
    await refused({ servers: `tls://127.0.0.1:${server.port}` }, /the server has no TLS/);
  } finally {
    await server.stop();
  }
});

test("tls.handshakeFirst is refused by a server that speaks first", async () => {
  await withTls("", async ({ url }) => {
    const options = { servers: url, tls: { ...CA, handshakeFirst: true }, timeoutMs: 1_000 };
    // Bun loses what the server said before TLS began, and waits for more.
    await rejects(connectTo(options), /tls\.handshakeFirst|handshake_first/);
  });
});

const { version } = await findNatsServer();
const [major = 0, minor = 0] = version.split(".").map(Number);
const skip = major > 2 || minor >= 10 ? false : `nats-server ${version} has no handshake_first`;

test("tls.handshakeFirst meets a server that wants it", { skip }, async () => {
  await withTls("handshake_first: true", async ({ url, port }) => {
    await accepted({ servers: url, tls: { ...CA, handshakeFirst: true } });
    await accepted({ servers: `localhost:${port}`, tls: { ...CA, handshakeFirst: true } });
    await refused({ servers: url, tls: { ...OTHER_CA, handshakeFirst: true } }, /tls\.caFile/);
    await refused({ servers: url, tls: CA }, /wants tls\.handshakeFirst/, "SERVICE_UNAVAILABLE");
  });
});

test("a client certificate is asked for also where TLS comes first", { skip }, async () => {
  await withTls("verify: true, handshake_first: true", async ({ url }) => {
    const first = { ...CA, handshakeFirst: true };
    await accepted({ servers: url, tls: { ...first, ...CLIENT } });
    await rejects(connectTo({ servers: url, tls: first }), /tls\.certFile|hung up/);
  });
});

test("files that cannot be read or are no PEM are named before anything is dialled", async () => {
  const cases: [object, RegExp][] = [
    [{ caFile: "/no/such.pem" }, /tls\.caFile cannot be read: .*\/no\/such\.pem/],
    [{ caFile: file("make.sh") }, /tls\.caFile must be a PEM file with a CERTIFICATE/],
    [{ ...CLIENT, certFile: file("make.sh") }, /tls\.certFile must be a PEM file/],
    [{ ...CLIENT, keyFile: file("ca.pem") }, /tls\.keyFile must be a PEM file with a PRIVATE KEY/],
  ];
  for (const [tls, message] of cases) {
    await rejects(connectTo({ tls }), { name: "TypeError", message });
  }
});
