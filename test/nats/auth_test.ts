import { doesNotMatch, match, ok, rejects, strictEqual } from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type NatsConnection, nkeys } from "@nats-io/nats-core";
import { connectNats } from "../../src/adapters/nats/connect.ts";
import { dialTcp } from "../../src/adapters/nats/tcp.ts";
import { AegisError } from "../../src/domain/error.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";

type Key = ReturnType<typeof nkeys.createUser>;

function connectTo(options: object): Promise<NatsConnection> {
  return connectNats(parseConnectOptions(options, {}), { dial: dialTcp, readFile });
}

/** A server that demands secrets, for the time of `use`. */
async function demanding(
  config: string,
  use: (server: NatsServer) => Promise<void>,
): Promise<void> {
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

async function refused(options: object, given: RegExp, secret: string): Promise<void> {
  const start = performance.now();
  await rejects(connectTo(options), (error: unknown) => {
    ok(AegisError.is(error, "UNAUTHORIZED"), `${error}`);
    match(error.message, /the server refused the secrets/);
    match(error.message, given);
    match(error.message, /the server said "Authorization Violation"/);
    if (secret !== "") {
      doesNotMatch(error.message + JSON.stringify(error.details), new RegExp(secret));
    }
    return true;
  });
  ok(performance.now() - start < 2_000, "it is told at once");
}

function seedOf(key: Key): string {
  return new TextDecoder().decode(key.getSeed());
}

function base64Url(data: Uint8Array | string): string {
  const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_")
    .replaceAll("=", "");
}

/** A JWT as nats-server wants it: claims about a key, signed by another. */
function jwt(issuer: Key, subject: Key, type: string, claims: object = {}): string {
  const sub = subject.getPublicKey();
  const body = {
    jti: sub,
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    name: type,
    sub,
    nats: { ...claims, type, version: 2 },
  };
  const head = { typ: "JWT", alg: "ed25519-nkey" };
  const text = `${base64Url(JSON.stringify(head))}.${base64Url(JSON.stringify(body))}`;
  return `${text}.${base64Url(issuer.sign(new TextEncoder().encode(text)))}`;
}

function credsOf(userJwt: string, user: Key): string {
  return `-----BEGIN NATS USER JWT-----\n${userJwt}\n------END NATS USER JWT------\n\n` +
    `-----BEGIN USER NKEY SEED-----\n${seedOf(user)}\n------END USER NKEY SEED------\n`;
}

test("a token is accepted, and the wrong one refused", async () => {
  await demanding(`authorization { token: "s3cret" }`, async ({ url, port }) => {
    await accepted({ servers: url, token: "s3cret" });
    await accepted({ servers: `nats://s3cret@127.0.0.1:${port}` });
    await refused({ servers: url, token: "wr0ng" }, /token was given/, "wr0ng");
    await refused({ servers: url }, /no secrets were given; give token, user and pass/, "");
  });
});

test("a user with password is accepted, and the wrong password refused", async () => {
  await demanding(`authorization { user: "me", password: "s3/cret" }`, async ({ url, port }) => {
    await accepted({ servers: url, user: "me", pass: "s3/cret" });
    await accepted({ servers: `nats://me:s3%2Fcret@127.0.0.1:${port}` });
    await refused({ servers: url, user: "me", pass: "wr0ng" }, /user and pass were given/, "wr0ng");
    await refused({ servers: `nats://me:wr0ng@127.0.0.1:${port}` }, /user and pass/, "wr0ng");
  });
});

test("an nkey is accepted, and one that the server does not know refused", async () => {
  const user = nkeys.createUser();
  const config = `authorization { users: [ { nkey: "${user.getPublicKey()}" } ] }`;
  await demanding(config, async ({ url }) => {
    await accepted({ servers: url, nkeySeed: seedOf(user) });
    const other = seedOf(nkeys.createUser());
    await refused({ servers: url, nkeySeed: other }, /nkeySeed was given/, other);
  });
});

test("creds are accepted as text and as a file, and those of another operator refused", async () => {
  const [operator, account, user] = [
    nkeys.createOperator(),
    nkeys.createAccount(),
    nkeys.createUser(),
  ];
  const limits = { subs: -1, data: -1, payload: -1, conn: -1, leaf: -1, imports: -1, exports: -1 };
  const accountJwt = jwt(operator, account, "account", { limits: { ...limits, wildcards: true } });
  const config = `
    operator: "${jwt(operator, operator, "operator")}"
    resolver: MEMORY
    resolver_preload: { ${account.getPublicKey()}: "${accountJwt}" }`;
  const userClaims = { subs: -1, data: -1, payload: -1 };
  const creds = credsOf(jwt(account, user, "user", userClaims), user);
  const folder = await mkdtemp(join(tmpdir(), "aegis-creds-"));
  try {
    await demanding(config, async ({ url }) => {
      await accepted({ servers: url, creds });
      await accepted({ servers: url, creds: creds.replaceAll("\n", "\r\n").trim() });
      const credsFile = join(folder, "me.creds");
      await writeFile(credsFile, creds);
      await accepted({ servers: url, credsFile });
      const stranger = credsOf(jwt(nkeys.createAccount(), user, "user", userClaims), user);
      await refused({ servers: url, creds: stranger }, /creds was given/, seedOf(user));
      await writeFile(credsFile, stranger);
      await refused({ servers: url, credsFile }, /credsFile was given/, seedOf(user));
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("secrets that cannot be are told before anything is dialled", async () => {
  const seed = seedOf(nkeys.createUser());
  const broken = seed.slice(0, -4) + (seed.endsWith("AAAA") ? "BBBB" : "AAAA");
  const cases: [object, RegExp][] = [
    [{ nkeySeed: broken }, /nkeySeed has a seed whose check sum is wrong/],
    [{ credsFile: "/no/such.creds" }, /credsFile cannot be read: .*\/no\/such\.creds/],
    [{ credsFile: fileURLToPath(import.meta.url) }, /credsFile has no JWT and seed/],
  ];
  for (const [options, message] of cases) {
    await rejects(connectTo(options), (error: Error) => {
      strictEqual(error.name, "TypeError");
      match(error.message, message);
      doesNotMatch(error.message, new RegExp(broken));
      return true;
    });
  }
  const options = parseConnectOptions({ credsFile: "/me.creds" }, {});
  await rejects(connectNats(options, { dial: dialTcp }), /credsFile cannot be used here/);
});
