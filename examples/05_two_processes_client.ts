// The client of 05_two_processes_service.ts, in another process. Start several services: they share the calls.
// deno run -A examples/05_two_processes_client.ts [nats://localhost:4222]

import process from "node:process";
import { connect, createClient } from "@aegis/sdk";
import type { Greeter } from "./05_two_processes_service.ts";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "nats://localhost:4222";
await using bus = await connect({ servers, name: "greeter-client" });
const greeter = createClient({ bus }).service<Greeter>("greeter");

for (const name of ["Ada", "Grace", "Katherine"]) {
  const { text, from } = await greeter.call("greet", { name });
  console.log(`${text} (from ${from})`);
}
