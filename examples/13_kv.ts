// A key-value store: any text as a key, revisions against lost updates, values that expire, and a watch that misses nothing.
// deno run -A examples/13_kv.ts [nats://localhost:4222]

import process from "node:process";
import { ConflictError, connect, createLogger } from "@aegis/sdk";
import * as v from "valibot";

const servers = process.argv[2] || process.env.AEGIS_SERVERS || "memory:";
await using bus = await connect({ servers, logger: createLogger({ level: "silent" }) });
const schema = v.object({ name: v.string(), visits: v.number() });
const users = await bus.kv("users", { history: 5, schema });

// A value is of the schema's type, in put() as in get().
const first = await users.put("user:john@example.com", { name: "John", visits: 0 });

// Whoever writes over a revision that is not the last one is told, and reads again.
const visit = async (key: string): Promise<number> => {
  for (;;) {
    const entry = (await users.get(key))!;
    const next = { ...entry.value, visits: entry.value.visits + 1 };
    try {
      return await users.put(key, next, { revision: entry.revision });
    } catch (error) {
      if (!ConflictError.is(error)) throw error;
    }
  }
};
await Promise.all(Array.from({ length: 20 }, () => visit("user:john@example.com")));
const john = (await users.get("user:john@example.com"))!;
console.log(john.value.visits, "visits of 20 at once, revision", john.revision - first + 1);

// One of many that want the same key gets it, and loses it when its time is over.
const locks = await bus.kv("locks");
await locks.put("nightly", "a", { createOnly: true, ttlMs: 1_000 });
await locks.put("nightly", "b", { createOnly: true }).catch((error) => {
  console.log("b has to wait:", ConflictError.is(error));
});
for await (const { operation, entry, initial } of locks.watch({ key: "nightly" })) {
  console.log(initial ? "is" : "becomes", operation, entry?.value ?? "");
  if (operation !== "put") break;
}
await locks.put("nightly", "b", { createOnly: true });
await locks.delete("nightly"); // b has done its work

// Many at once: what became of each, and the keys that begin with a text.
const outcomes = await users.putMany({
  "user:ann": { name: "Ann", visits: 1 },
  "user:öz/1 *": { name: "Öz", visits: 2 },
  "user:odd": { name: "Odd" } as never,
});
for (const [key, outcome] of outcomes) console.log(key, outcome.ok ? "is stored" : "is refused");
console.log(await users.keys("user:"));
console.log(await users.clear("user:"), "removed,", (await users.status()).keys, "left");
