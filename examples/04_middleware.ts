// Middleware runs around every call, on the client's side and on the service's.
// deno run -A examples/04_middleware.ts [nats://localhost:4222]

import process from "node:process";
import {
  type ClientMiddleware,
  connect,
  createClient,
  createLogger,
  createService,
  rpc,
  RpcError,
  type ServerMiddleware,
} from "@aegis/sdk";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });

const authenticate = (token: string): ClientMiddleware => async (call, next) => {
  call.headers.authorization = `Bearer ${token}`;
  return await next();
};

const timed: ClientMiddleware = async (call, next) => {
  const start = performance.now();
  try {
    return await next();
  } finally {
    const ms = performance.now() - start;
    console.log(`  ${call.service}.${call.method}: ${ms < 1_000 ? "under" : "over"} a second`);
  }
};

const authorize: ServerMiddleware = async (call, next) => {
  if (call.context.header("authorization") !== "Bearer open-sesame") {
    throw new RpcError("UNAUTHORIZED", "Say the word");
  }
  const result = await next();
  return { ...(result as object), checkedBy: call.context.instanceId };
};

const treasure = rpc("treasure", () => ({ gold: 40 }));
await using cave = createService("cave", {
  bus,
  instanceId: "cave-1",
  handlers: [treasure],
  middleware: [authorize],
});
await cave.start();

for (const word of ["open-wheat", "open-sesame"]) {
  const client = createClient({ bus, middleware: [timed, authenticate(word)] });
  console.log(word, await client.call("cave", "treasure").catch(String));
}
