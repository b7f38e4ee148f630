// What can go wrong with a call, and how to tell.
// deno run -A examples/02_errors.ts [nats://localhost:4222]

import process from "node:process";
import {
  AegisError,
  connect,
  createClient,
  createLogger,
  createService,
  rpc,
  RpcError,
  UnavailableError,
  ValidationError,
} from "@aegis/sdk";
import * as v from "valibot";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });

const register = rpc("register", {
  params: v.object({ email: v.pipe(v.string(), v.email()) }),
}, ({ email }) => {
  if (email === "ada@example.org") {
    throw new RpcError("EMAIL_TAKEN", "Email already exists", { field: "email" });
  }
  throw new Error("the disk is full"); // a fault of the service: INTERNAL_ERROR, and its stack stays there
});

await using users = createService("users", { bus, handlers: [register] });
await users.start();
const client = createClient({ bus });

async function attempt(service: string, method: string, params: object): Promise<void> {
  try {
    await client.call(service, method, params);
  } catch (error) {
    if (error instanceof ValidationError) console.log("does not fit:", error.issues);
    else if (AegisError.is(error, "EMAIL_TAKEN")) console.log("taken:", (error as RpcError).data);
    else if (error instanceof RpcError) console.log("it failed:", error.code, error.message);
    else if (error instanceof UnavailableError) console.log("not run:", error.message);
    else throw error;
  }
}

await attempt("users", "register", { email: "ada" });
await attempt("users", "register", { email: "ada@example.org" });
await attempt("users", "register", { email: "bob@example.org" });
await attempt("nobody", "register", { email: "bob@example.org" });

// Programming mistakes are no AegisError: they throw TypeError or RangeError at once.
try {
  createService("no dots.please", { bus, handlers: [] });
} catch (error) {
  console.log(String(error));
}
