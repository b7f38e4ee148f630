import { match, rejects, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { connectNats } from "../../src/adapters/nats/connect.ts";
import { connectError, failureOf } from "../../src/adapters/nats/connect_error.ts";
import { dialWebSocket } from "../../src/adapters/nats/websocket.ts";
import { parseConnectOptions } from "../../src/domain/options.ts";

const PROGRAM = fileURLToPath(new URL("websocket_program.ts", import.meta.url));
const LIMIT_MS = 60_000;

const skip = !("WebSocket" in globalThis);
const why = skip ? " (not on Node 20, which has none)" : "";

/** Runs a scenario in a process of its own, which has to end by itself. */
async function passes(scenario: string): Promise<void> {
  const args = "Deno" in globalThis ? ["run", "-A", PROGRAM] : [PROGRAM];
  const child = spawn(process.execPath, [...args, scenario], {
    env: { ...process.env, NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  const limit = setTimeout(() => child.kill("SIGKILL"), LIMIT_MS);
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearTimeout(limit);
  strictEqual(code, 0, output);
  match(output, /^done$/m);
}

test(
  `connect() of the edge entry calls in both directions over WebSocket${why}`,
  { skip },
  async () => {
    await passes("calls");
  },
);

test(`a bus over WebSocket comes back after its server was killed, and calls wait for it${why}`, {
  skip,
}, async () => {
  await passes("kill");
});

test(
  `a bus over WebSocket comes back over a way that is slower than its time for connecting${why}`,
  { skip },
  async () => {
    await passes("slow");
  },
);

test(
  `a bus over WebSocket notices a server that stands still, and closes without its goodbye${why}`,
  { skip },
  async () => {
    await passes("stall");
  },
);

test(`connect() of the edge entry says what was tried, and how a server takes WebSockets${why}`, {
  skip,
}, async () => {
  await passes("absent");
});

test(
  `connect() of the edge entry rejects at once where the constructor of WebSocket throws${why}`,
  { skip },
  async () => {
    await passes("throws");
  },
);

test(`a server that refuses the secrets and closes at once is told as one that refuses${why}`, {
  skip,
}, async () => {
  await passes("refused");
});

test(
  `one outage is one change of status, however often nats.js tells of it${why}`,
  { skip },
  async () => {
    await passes("status");
  },
);

test(
  `a connection that was brought along is of the kind that it says, and so is the process${why}`,
  { skip },
  async () => {
    await passes("brought");
  },
);

test(`a kind of connection that reached nobody leaves the process free to use another${why}`, {
  skip,
}, async () => {
  await passes("kinds");
});

test("connectNats() says at once that the runtime has no WebSocket", async () => {
  const { WebSocket } = globalThis;
  const scope = globalThis as { WebSocket?: unknown };
  delete scope.WebSocket;
  try {
    await rejects(
      connectNats(parseConnectOptions({ servers: "ws://localhost:8080" }, {}), {
        dial: dialWebSocket,
      }),
      {
        name: "TypeError",
        message:
          "connect(): this runtime has no WebSocket, which ws:// and wss:// need; Node has it since version 22",
      },
    );
  } finally {
    if (!skip) scope.WebSocket = WebSocket;
  }
});

test("the error of a failed wss:// does not name options that WebSocket does not take", () => {
  const options = parseConnectOptions({ servers: "wss://localhost:8080" }, {});
  for (const message of ["InvalidContentType", "UnknownIssuer", "alert certificate required"]) {
    const failure = failureOf(new Error(message), "wss://localhost:8080/", options);
    const error = connectError(options, [failure]);
    strictEqual((error as { code?: string }).code, "TLS");
    match(error.message, /^connect\(\): wss:\/\/localhost:8080\/: the server/);
    strictEqual(/tls\./.test(error.message), false, error.message);
  }
});

test("where a runtime tells nothing of why a WebSocket was not opened, the error names what to check", () => {
  const options = parseConnectOptions({ servers: "wss://localhost:8080" }, {});
  for (
    const message of [
      "the WebSocket was not opened, and the runtime does not say why",
      "NetworkError: failed to connect to WebSocket: Didn't receive h2 alpn, aborting connection",
    ]
  ) {
    const { reason, kind } = failureOf(new Error(message), "wss://localhost:8080/", options);
    strictEqual(kind, "unavailable");
    match(
      reason,
      /does not say why, .* a server listens there, .* in return \(verify\), and .*origins/,
    );
  }
});
