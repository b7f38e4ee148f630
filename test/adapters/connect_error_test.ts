// Why no connection was made: one error of several failures, by the codes and messages of each runtime.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { errors } from "@nats-io/nats-core";
import { connectError, type Failure, failureOf } from "../../src/adapters/nats/connect_error.ts";
import { AegisError, UnavailableError } from "../../src/domain/error.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";

const URL_A = "nats://a:4222";
const URL_B = "nats://b:4222";
const plain = parseConnectOptions({ servers: "a,b" }, {});

function failed(error: unknown, options = plain, url = URL_A): Failure {
  return failureOf(error, url, options);
}

function coded(code: string, message = ""): Error {
  return Object.assign(new Error(message), { code });
}

test("a server that is not reached is told by its reason, on every runtime", () => {
  const reasons: [unknown, string][] = [
    [coded("ECONNREFUSED", "connect ECONNREFUSED 127.0.0.1:4222"), "connection refused"],
    [
      new Error("Connection refused (os error 111)", { cause: coded("ECONNREFUSED") }),
      "connection refused",
    ],
    [new errors.ConnectionError("connection refused"), "connection refused"],
    // The transport for Deno's own sockets tells in lower case what Deno said.
    [
      new errors.ConnectionError("no connection could be made … (os error 10061)"), // on Windows
      "connection refused",
    ],
    [
      new errors.ConnectionError("failed to lookup address information: name or service not known"),
      "the name is not known",
    ],
    [
      new errors.ConnectionError("no such host is known. (os error 11001)"),
      "the name is not known",
    ],
    [new errors.ConnectionError("connection timed out (os error 110)"), "no answer in time"],
    [
      new errors.ConnectionError("socket closed while expecting info"),
      "it hung up without a word; a server with handshake_first wants tls.handshakeFirst",
    ],
    [
      new errors.ConnectionError("connection reset by peer (os error 104)"),
      "it hung up without a word; a server with handshake_first wants tls.handshakeFirst",
    ],
    [coded("ENOTFOUND", "getaddrinfo ENOTFOUND a"), "the name is not known"],
    [coded("EAI_AGAIN"), "the name is not known"],
    [
      coded("EPERM", "getaddrinfo EPERM a"), // Deno's, without the permission
      "this program may not look the name up; under Deno that takes --allow-net=NAME, without a port",
    ],
    [new errors.TimeoutError(), "no answer in time"],
    [new DOMException("no answer", "TimeoutError"), "no answer in time"],
    [coded("ETIMEDOUT"), "no answer in time"],
    [new Error("unexpected response from server"), "it is no NATS server"],
    [
      coded("ECONNRESET", "read ECONNRESET"),
      "it hung up without a word; a server with handshake_first wants tls.handshakeFirst",
    ],
    [new Error("maximum connections exceeded"), "maximum connections exceeded"],
    [new Error(""), "the connection failed"],
    ["odd", "odd"],
    [undefined, "undefined"],
  ];
  for (const [error, reason] of reasons) {
    deepStrictEqual(failed(error), { url: URL_A, kind: "unavailable", reason, error });
  }
});

test("no answer to a TLS handshake hints at handshake_first", () => {
  const tls = parseConnectOptions({ servers: "a", tls: { handshakeFirst: true } }, {});
  strictEqual(
    failed(coded("ETIMEDOUT"), tls).reason,
    "no answer in time; has the server handshake_first on?",
  );
});

test("a failure of TLS says what to do about it, and what the runtime said", () => {
  const reasons: [Error, RegExp][] = [
    [coded("ERR", "server does not support 'tls'"), /^the server has no TLS; leave out tls/],
    [coded("ERR_SSL_WRONG_VERSION_NUMBER", "x"), /leave out tls\.handshakeFirst/],
    [new Error("received corrupt message of type InvalidContentType"), /tls\.handshakeFirst/],
    [coded("CERT_HAS_EXPIRED", "certificate has expired"), /is not valid now; renew it/],
    [new Error("invalid peer certificate: Expired"), /is not valid now/],
    [coded("ERR_TLS_CERT_ALTNAME_INVALID", "x"), /is for another host; use in servers a name/],
    [new Error("invalid peer certificate: NotValidForName"), /is for another host/],
    [
      new Error('invalid peer certificate: certificate not valid for name "a"; certificate is …'),
      /is for another host/,
    ],
    [new Error("invalid peer certificate: certificate expired: verification time …"), /valid now/],
    [coded("NO_CLIENT_CERTIFICATES", "x"), /deno has none; import connect from @aegis\/sdk, /],
    [coded("CLIENT_CERTIFICATE", "x"), /refused the client certificate.*tls\.certFile/],
    [coded("UNABLE_TO_VERIFY_LEAF_SIGNATURE", "x"), /not trusted here; give .* tls\.caFile/],
    [coded("DEPTH_ZERO_SELF_SIGNED_CERT", "x"), /not trusted here/],
    [new Error("invalid peer certificate: UnknownIssuer"), /not trusted here/],
    [coded("ERR_OSSL_X509_KEY_VALUES_MISMATCH", "x"), /does tls\.keyFile belong to tls\.certFile/],
    [coded("ERR_SSL_SOMETHING", "x"), /^TLS failed \(x\)$/],
  ];
  for (const [error, reason] of reasons) {
    const failure = failed(error);
    strictEqual(failure.kind, "tls", error.message);
    match(failure.reason, reason);
    ok(failure.reason.endsWith(`(${error.message})`), failure.reason);
  }
});

test("of a message of OpenSSL's own source only the code is shown", () => {
  const message = "C0A7:error:0A00010B:SSL routines:ssl3_get_record:wrong version:ssl.c:354:\n";
  match(
    failed(coded("ERR_SSL_WRONG_VERSION_NUMBER", message)).reason,
    /\(ERR_SSL_WRONG_VERSION_NUMBER\)$/,
  );
});

test("of servers that are not there each is named, with the time that it took and how to start one", () => {
  const refused = coded("ECONNREFUSED");
  const error = connectError(plain, [failed(refused), failed(new Error(""), plain, URL_B)]);
  ok(UnavailableError.is(error, "SERVICE_UNAVAILABLE"));
  strictEqual(
    error.message,
    `connect(): no NATS server was reached within 5000 ms; tried ${URL_A}: connection refused; ` +
      `${URL_B}: the connection failed. Start one with: nats-server -js`,
  );
  deepStrictEqual(error.details, {
    servers: [
      { url: URL_A, reason: "connection refused" },
      { url: URL_B, reason: "the connection failed" },
    ],
  });
  strictEqual(error.cause, refused);
});

test("a server that refuses the secrets says more than one that is not there, and what was given is named", () => {
  const said = new errors.AuthorizationError("Authorization Violation");
  const given: [object, string][] = [
    [{}, "no secrets were given; give token, user and pass, creds, credsFile or nkeySeed"],
    [{ token: "s3cret" }, "token was given"],
    [{ user: "me", pass: "s3cret" }, "user and pass were given"],
    [{ credsFile: "/me.creds" }, "credsFile was given"],
    [{ nkeySeed: `SU${"A".repeat(56)}` }, "nkeySeed was given"],
  ];
  for (const [secrets, text] of given) {
    const options = parseConnectOptions({ servers: "a,b", ...secrets }, {});
    const error = connectError(options, [
      failed(coded("ECONNREFUSED")),
      failed(said, options, URL_B),
    ]);
    ok(AegisError.is(error, "UNAUTHORIZED"));
    strictEqual(
      error.message,
      `connect(): the server refused the secrets (${text}): ${URL_A}: connection refused; ` +
        `${URL_B}: the server said "Authorization Violation"`,
    );
    strictEqual(error.cause, said);
  }
});

test("a failure of TLS says more than a server that is not there, and less than one that refuses", () => {
  const tls = failed(coded("CERT_HAS_EXPIRED", "expired"), plain, URL_B);
  const away = failed(coded("ECONNREFUSED"));
  const refused = failed(new errors.AuthorizationError("Authorization Violation"));
  const codeOf = (...failures: Failure[]) => (connectError(plain, failures) as AegisError).code;
  strictEqual(codeOf(away, tls), "TLS");
  strictEqual(codeOf(away, tls, refused), "UNAUTHORIZED");
});
