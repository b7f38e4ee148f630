import { deepStrictEqual, doesNotMatch, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import type { EntryKind } from "../../src/domain/entry.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";

const SEED = `SU${"A".repeat(56)}`;
const CREDS = `-----BEGIN NATS USER JWT-----\na.b.c\n------END NATS USER JWT------\n
-----BEGIN USER NKEY SEED-----\n${SEED}\n------END USER NKEY SEED------\n`;

const TypeErrors: [options: unknown, message: RegExp][] = [
  [null, /the options must be an object, such as \{ servers: "nats:\/\/localhost:4222" \}$/],
  [[], /the options must be an object/],
  ["wss://a" as never, /the options must be an object, such as \{ servers: "wss:\/\/a" \}$/],
  ["ws://t0ken@a" as never, /such as \{ servers: "ws:\/\/\(hidden\)@a" \}$/],
  ["nats://a", /the options must be an object/],
  [{ server: "a" }, /there is no option "server"; did you mean "servers"\?/],
  [{ timeout: 5 }, /no option "timeout"; did you mean "timeoutMs"\?/],
  [{ CredsFile: "a" }, /no option "CredsFile"; did you mean "credsFile"\?/],
  [{ middleware: [] }, /no option "middleware"; there are servers, name, token/],
  [JSON.parse('{"__proto__": 1}'), /no option "__proto__"/],
  [{ tls: { caFle: "a" } }, /no option "tls\.caFle"; did you mean "tls\.caFile"\?/],
  [{ servers: 4222 }, /servers must be one or more of nats:\/\/host:port.*, not 4222/],
  [{ servers: [] }, /not an empty list/],
  [{ servers: "" }, /not ""/],
  [{ servers: "a,,b" }, /not ""/],
  [{ servers: ["a", 5] }, /servers must be .*, not an array/],
  [{ servers: "http://a" }, /not "http:\/\/a"/],
  [{ servers: "--server" }, /servers must be .*, not "--server"/],
  [{ servers: "nats://a b" }, /not "nats:\/\/a b"/],
  [{ servers: "nats:///a" }, /not "nats:\/\/\/a"/],
  [{ servers: "nats://a:99999" }, /not "nats:\/\/a:99999"/],
  [{ servers: "nats://a:0" }, /not "nats:\/\/a:0"/],
  [{ servers: "nats://a/path" }, /not "nats:\/\/a\/path"/],
  [{ servers: "memory:a b" }, /not "memory:a b"/],
  [{ servers: ["memory:", "nats://a"] }, /not memory: together with nats:\/\/a:4222/],
  [{ servers: ["nats://a", "ws://b"] }, /not nats:\/\/a:4222 together with ws:\/\/b:80/],
  [{ servers: ["memory:a", "memory:b"] }, /not several brokers in memory/],
  [{ servers: ["nats://u:p@a", "nats://u:q@b"] }, /not addresses with different secrets/],
  [{ servers: "nats://%ff@a" }, /not "nats:\/\/\(hidden\)@a"/],
  [{ name: "" }, /name must be a string that is not empty, not ""/],
  [{ name: 5n }, /not 5n/],
  [{ name: () => {} }, /not a function/],
  [{ token: null }, /token must be .*, not \(hidden\)/],
  [{ pass: "p" }, /pass is given without user/],
  [{ token: "t", user: "u" }, /token and user exclude each other/],
  [{ creds: CREDS, credsFile: "f" }, /creds and credsFile exclude each other/],
  [{ token: "t", servers: "nats://u:p@a" }, /token and secrets in servers exclude each other/],
  [{ creds: "no" }, /creds must be the text of a \.creds file, not \(hidden\)/],
  [{ nkeySeed: "SUshort" }, /nkeySeed must be a user's seed.*, not \(hidden\)/],
  [{ tls: true }, /tls must be an object with caFile.*, not true/],
  [{ tls: { caFile: 1 } }, /tls\.caFile must be a path, not 1/],
  [{ tls: { handshakeFirst: "yes" } }, /tls\.handshakeFirst must be true or false, not "yes"/],
  [{ tls: { certFile: "c" } }, /tls\.certFile is given without tls\.keyFile/],
  [{ tls: { keyFile: "k" } }, /tls\.keyFile is given without tls\.certFile/],
  [{ tls: {}, servers: "wss://a" }, /tls is not for WebSocket/],
  [{ token: "t", servers: "memory:" }, /token cannot be used with servers "memory:"/],
  [{ user: "u", servers: "memory:a" }, /user cannot be used with servers "memory:a"/],
  [{ creds: CREDS, servers: "memory:" }, /creds cannot .*asks nobody for secrets; leave it out/],
  [{ credsFile: "f", servers: "memory:" }, /credsFile cannot be used with servers "memory:"/],
  [{ nkeySeed: SEED, servers: "memory:" }, /nkeySeed cannot be used with servers "memory:"/],
  [{ tls: {}, servers: "memory:" }, /tls cannot be used with servers "memory:"/],
  [{ jetstreamDomain: "a.b" }, /jetstreamDomain must be a word without blanks.*, not "a\.b"/],
  [{ codec: {} }, /codec must be a codec, with encode.*, not an object of another shape/],
  [{ logger: "console" }, /logger must be a logger, with debug.*, not "console"/],
  [{ metrics: 1 }, /metrics must be a place for metrics.*, not 1/],
  [{ tracer: {} }, /tracer must be a tracer/],
  [{ clock: Date }, /clock must be a clock, with now.*, not /],
  [{ replicas: "3" }, /replicas must be a whole number from 1 to 5, not "3"/],
  [{ timeoutMs: "5" }, /timeoutMs must be a number of milliseconds.*, not "5"/],
  [{ timeoutMs: null }, /timeoutMs must be .*, not null/],
  [{ perRequest: "yes" }, /perRequest must be true, false, or what has waitUntil.*, not "yes"/],
  [{ perRequest: {} }, /perRequest must be .*, not an object of another shape/],
  [{ connection: {} }, /connection must be a connection of nats\.js/],
  [{ transport: {} }, /transport must be a transport/],
];

test("parseConnectOptions() names the option, the value and what is allowed in a TypeError", () => {
  for (const [options, message] of TypeErrors) {
    throws(() => parseConnectOptions(options as object, {}), { name: "TypeError", message });
  }
});

test("parseConnectOptions() gives a RangeError for a number out of its range", () => {
  const cases: [object, RegExp][] = [
    [{ timeoutMs: NaN }, /timeoutMs must be .* more than 0 and at most 2147483647, not NaN/],
    [{ timeoutMs: 0 }, /not 0/],
    [{ timeoutMs: -1 }, /not -1/],
    [{ timeoutMs: Infinity }, /not Infinity/],
    [{ timeoutMs: 2 ** 31 }, /not 2147483648/],
    [{ replicas: 0 }, /replicas must be a whole number from 1 to 5, not 0/],
    [{ replicas: 6 }, /not 6/],
    [{ replicas: 1.5 }, /not 1\.5/],
  ];
  for (const [options, message] of cases) {
    throws(() => parseConnectOptions(options, {}), { name: "RangeError", message });
  }
});

test("parseConnectOptions() never shows a secret", () => {
  for (
    const options of [
      { token: ["s3cret"] },
      { pass: ["s3cret"] },
      { creds: "s3cret" },
      { nkeySeed: "s3cret" },
      { servers: "nats://u:s3cret@a b" },
      { servers: "nats://u:s3/cret@a" },
      { servers: "http://s3cret@a" },
      { servers: ["nats://u:s3cret@a", "memory:"] },
    ]
  ) {
    try {
      parseConnectOptions(options as object, {});
    } catch (error) {
      doesNotMatch((error as Error).message, /s3|cret/);
      continue;
    }
    ok(false, `no error for ${Object.keys(options)}`);
  }
});

test("parseConnectOptions() refuses servers and secrets with a connection or transport", () => {
  const connection = { publish() {}, subscribe() {}, flush() {}, status() {}, closed() {} };
  const transport = { ping() {}, onStatus() {}, close() {} };
  for (const [name, brought] of [["connection", connection], ["transport", transport]] as const) {
    const options = { [name]: brought };
    strictEqual(parseConnectOptions(options, { AEGIS_TOKEN: "t" }).source, name);
    for (const more of [{ servers: "a" }, { token: "t" }, { tls: {} }, { user: "u", pass: "p" }]) {
      throws(() => parseConnectOptions({ ...options, ...more }, {}), {
        name: "TypeError",
        message: new RegExp(`${name} and ${Object.keys(more)[0]} exclude each other`),
      });
    }
  }
  throws(() => parseConnectOptions({ connection, transport }, {}), /connection and transport/);
});

test("parseConnectOptions() has a default for everything", () => {
  deepStrictEqual(parseConnectOptions({}, {}), {
    source: "nats",
    servers: ["nats://localhost:4222"],
    name: "aegis",
    credentials: { kind: "none" },
    tls: undefined,
    jetstreamDomain: undefined,
    replicas: 1,
    timeoutMs: 5_000,
    perRequest: false,
  });
});

test("parseConnectOptions() takes undefined for not given", () => {
  deepStrictEqual(
    parseConnectOptions({ servers: undefined, token: undefined, tls: undefined }, {}),
    parseConnectOptions({}, {}),
  );
});

test("parseConnectOptions() knows a connection for one request by true, and by what has waitUntil()", () => {
  const read = (perRequest: unknown) => parseConnectOptions({ perRequest }, {}).perRequest;
  deepStrictEqual([read(true), read({ waitUntil() {} }), read(false)], [true, true, false]);
});

test("parseConnectOptions() names the entry that speaks to the servers", () => {
  const cases: [EntryKind, object, RegExp][] = [
    ["tcp", { servers: "ws://a:8080" }, /servers has ws:\/\/a:8080\/, .* from @aegis\/sdk\/edge/],
    ["deno", { servers: "wss://a" }, /@aegis\/sdk\/deno speaks TCP alone; .*@aegis\/sdk\/edge/],
    ["ws", { servers: "nats://a" }, /servers has nats:\/\/a:4222, .*connect from @aegis\/sdk, /],
    ["ws", { servers: "tls://a" }, /has tls:\/\/a:4222, .*, ws:\/\/host:8080 or wss:/],
    ["ws", { servers: "https://a" }, /must be one or more of wss:\/\/host or ws:.*https:\/\/a/],
    ["tcp", { servers: "http://a" }, /one or more of nats:\/\/host:port, tls:\/\/[^w]*, or else/],
    ["ws", { servers: ["a:8080"] }, /"a:8080" without a scheme, .* give wss:\/\/a:8080, or ws:/],
    ["ws", { servers: "t0ken@a" }, /has "\(hidden\)@a" without a scheme/],
    ["ws", {}, /servers must be given, since @aegis\/sdk\/edge speaks WebSocket alone: ws:/],
  ];
  for (const [entry, options, message] of cases) {
    throws(() => parseConnectOptions(options, {}, entry), { name: "TypeError", message });
  }
  const environment = { NATS_SERVERS: "nats://a" };
  throws(() => parseConnectOptions({}, environment, "ws"), /variable NATS_SERVERS has nats:/);
  for (const entry of ["tcp", "ws", "deno"] as const) {
    strictEqual(parseConnectOptions({ servers: "memory:" }, {}, entry).source, "memory");
  }
  strictEqual(parseConnectOptions({ servers: "ws://a" }, {}, "ws").source, "ws");
  strictEqual(parseConnectOptions({ servers: "a" }, {}, "deno").source, "nats");
});

test("parseConnectOptions() has client certificates for the entry that can send them", () => {
  const tls = { certFile: "c", keyFile: "k" };
  const message = /tls\.certFile cannot be used with @aegis\/sdk\/deno, .* from @aegis\/sdk, which/;
  throws(() => parseConnectOptions({ tls }, {}, "deno"), { name: "TypeError", message });
  const environment = { AEGIS_TLS_CERT_FILE: "c", AEGIS_TLS_KEY_FILE: "k" };
  throws(() => parseConnectOptions({}, environment, "deno"), /variable AEGIS_TLS_CERT_FILE cannot/);
  strictEqual(parseConnectOptions({ tls }, {}, "tcp").tls?.certFile, "c");
  strictEqual(parseConnectOptions({ tls: { caFile: "a" } }, {}, "deno").tls?.caFile, "a");
});

test("parseConnectOptions() reads every way to write an address", () => {
  const read = (servers: string | string[]) => parseConnectOptions({ servers }, {}).servers;
  deepStrictEqual(read("a"), ["nats://a:4222"]);
  deepStrictEqual(read(" a:1 , nats://b:80,c:443"), ["nats://a:1", "nats://b:80", "nats://c:443"]);
  deepStrictEqual(read(["[::1]:4222", "NATS://H"]), ["nats://[::1]:4222", "nats://h:4222"]);
  deepStrictEqual(read(["a", "a:4222"]), ["nats://a:4222"]);
  deepStrictEqual(read("ws://a/nats?x=1"), ["ws://a:80/nats?x=1"]);
  deepStrictEqual(read("wss://a"), ["wss://a:443/"]);
  deepStrictEqual(read("memory:"), ["memory:"]);
  deepStrictEqual(read("memory:one"), ["memory:one"]);
});

test("parseConnectOptions() takes secrets out of addresses", () => {
  const one = parseConnectOptions({ servers: ["nats://u:p%40%2F@a", "b"] }, {});
  deepStrictEqual(one.servers, ["nats://a:4222", "nats://b:4222"]);
  deepStrictEqual(one.credentials, { kind: "user", user: "u", pass: "p@/" });
  const other = parseConnectOptions({ servers: "nats://t0ken@a" }, {});
  deepStrictEqual(other.credentials, { kind: "token", token: "t0ken" });
});

test("parseConnectOptions() makes TLS a must for tls:// and for tls: {}", () => {
  for (const options of [{ servers: ["a", "tls://b"] }, { tls: {} }]) {
    deepStrictEqual(parseConnectOptions(options, {}).tls, { handshakeFirst: false });
  }
});

test("parseConnectOptions() completes options from the environment", () => {
  const resolved = parseConnectOptions({ name: "mine" }, {
    AEGIS_SERVERS: "nats://a:1, b:2",
    NATS_SERVERS: "nats://c",
    AEGIS_NAME: "theirs",
    AEGIS_CREDS_FILE: "/x.creds",
    AEGIS_TLS_CA_FILE: "/ca.pem",
    AEGIS_TLS_HANDSHAKE_FIRST: "true",
    AEGIS_JETSTREAM_DOMAIN: "hub",
    AEGIS_REPLICAS: "3",
    AEGIS_TIMEOUT_MS: "1500",
    AEGIS_TOKEN: "",
  });
  deepStrictEqual(resolved, {
    source: "nats",
    servers: ["nats://a:1", "nats://b:2"],
    name: "mine",
    credentials: { kind: "credsFile", credsFile: "/x.creds" },
    tls: { caFile: "/ca.pem", handshakeFirst: true },
    jetstreamDomain: "hub",
    replicas: 3,
    timeoutMs: 1_500,
    perRequest: false,
  });
  deepStrictEqual(parseConnectOptions({}, { NATS_SERVERS: "c" }).servers, ["nats://c:4222"]);
});

test("parseConnectOptions() puts secrets that are given before those of the environment", () => {
  const env = { AEGIS_USER: "u", AEGIS_PASS: "p" };
  const secrets = (options: object, environment: Record<string, string> = env) =>
    parseConnectOptions(options, environment).credentials;
  deepStrictEqual(secrets({}), { kind: "user", user: "u", pass: "p" });
  deepStrictEqual(secrets({ token: "t" }), { kind: "token", token: "t" });
  deepStrictEqual(secrets({ servers: "nats://t@a" }), { kind: "token", token: "t" });
  deepStrictEqual(secrets({ user: "other" }), { kind: "user", user: "other", pass: "" });
  deepStrictEqual(secrets({ user: "u" }, { AEGIS_PASS: "p" }), {
    kind: "user",
    user: "u",
    pass: "p",
  });
  deepStrictEqual(secrets({ token: "t" }, { AEGIS_SERVERS: "nats://u:p@a" }), {
    kind: "token",
    token: "t",
  });
  deepStrictEqual(secrets({ servers: "memory:" }), { kind: "none" });
});

test("parseConnectOptions() leaves secrets aside where memory: or they come from the environment", () => {
  const secrets = { AEGIS_TOKEN: "t", AEGIS_TLS_CA_FILE: "/ca.pem" };
  const one = parseConnectOptions({ servers: "memory:" }, secrets);
  const other = parseConnectOptions({ token: "t", tls: {} }, { AEGIS_SERVERS: "memory:" });
  for (const { source, credentials, tls } of [one, other]) {
    deepStrictEqual({ source, credentials, tls }, {
      source: "memory",
      credentials: { kind: "none" },
      tls: undefined,
    });
  }
});

test("parseConnectOptions() names the variable that is wrong", () => {
  const cases: [Record<string, string>, string, RegExp][] = [
    [{ AEGIS_TIMEOUT_MS: "abc" }, "TypeError", /variable AEGIS_TIMEOUT_MS must be .*, not "abc"/],
    [{ AEGIS_TIMEOUT_MS: "0" }, "RangeError", /variable AEGIS_TIMEOUT_MS must be .*, not 0/],
    [{ AEGIS_REPLICAS: "9" }, "RangeError", /variable AEGIS_REPLICAS must be .*, not 9/],
    [{ AEGIS_SERVERS: "a b" }, "TypeError", /variable AEGIS_SERVERS must be .*, not "a b"/],
    [{ NATS_SERVERS: "a b" }, "TypeError", /variable NATS_SERVERS must be .*, not "a b"/],
    [{ AEGIS_NKEY_SEED: "x" }, "TypeError", /variable AEGIS_NKEY_SEED .*, not \(hidden\)/],
    [{ AEGIS_TLS_HANDSHAKE_FIRST: "y" }, "TypeError", /AEGIS_TLS_HANDSHAKE_FIRST .*, not "y"/],
    [{ AEGIS_PASS: "p" }, "TypeError", /AEGIS_PASS is given without AEGIS_USER/],
    [{ AEGIS_USER: "u", AEGIS_TOKEN: "t" }, "TypeError", /AEGIS_TOKEN and AEGIS_USER exclude/],
  ];
  for (const [environment, name, message] of cases) {
    throws(() => parseConnectOptions({}, environment), { name, message });
  }
});
