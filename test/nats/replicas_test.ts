// Replicas that a program asks for which only sends: those that the service has set stay, and its log says so.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { command, connect, createClient, createService, on } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { type LogLine, recordingLogger } from "../app/buses.ts";
import { logger } from "./outage_tools.ts";

test("who asks for three replicas is served by the one that there is, and told once of each stream", async () => {
  await using server = await startNatsServer();
  await using bus = await connect({ servers: server.url, logger });
  const handlers = [command("work", () => "done"), on("a.b", () => {})];
  await using service = createService("jobs", { bus, handlers });
  await service.start();
  const lines: LogLine[] = [];
  const options = { servers: server.url, replicas: 3, logger: recordingLogger(lines) };
  await using asking = await connect(options);
  const client = createClient({ bus: asking });
  for (let i = 0; i < 2; i++) {
    const job = await client.send("jobs", "work");
    strictEqual(await job.result(), "done");
    await client.publish("a.b", {});
  }
  const said = lines.filter(({ level, message }) =>
    level === "warn" && message.includes("not with the replicas asked for")
  );
  deepStrictEqual(said.map(({ message }) => message.split(" ")[2]), ["COMMANDS_jobs", "EVENTS"]);
});
