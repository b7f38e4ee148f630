// A server with the blocks of docs/security.md, and what each of their users has done on it.

import { ok } from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { type Bus, connect } from "../../mod.ts";
import { type CapturedLogs, captureLogs } from "../../testing.ts";
import { type NatsServer, startNatsServer } from "../../tools/nats_server.ts";

type List = "publish" | "subscribe";

/** A server with the users of docs/security.md, and one who may do all. */
export interface Permitted extends AsyncDisposable {
  readonly server: NatsServer;
  /** What all buses have logged. */
  readonly lines: CapturedLogs["lines"];
  /** A bus of one of the users. */
  as(user: string): Promise<Bus>;
  /** The lines of these users' blocks that nobody has used, as `user list subject`. */
  unused(users: readonly string[]): Promise<string[]>;
  /** What the server has refused. */
  violations(): Promise<string[]>;
}

const page = await readFile(new URL("../../docs/security.md", import.meta.url), "utf8");
const permissions = [...page.matchAll(/^```conf\n([^]*?)^```$/gm)].map(([, block = ""]) => block)
  .filter((block) => /^[A-Z]+ = \{$|^authorization \{$/m.test(block)).join("");

/** The users who have a block. */
export const USERS: readonly string[] = [...permissions.matchAll(/^([A-Z]+) = \{$/gm)]
  .map(([, name = ""]) => name.toLowerCase());

/** Starts it. */
export async function permitted(): Promise<Permitted> {
  const passwords = USERS.map((user) => `${user.toUpperCase()}_PASS: "p"`).join("\n");
  // Not among the users of the page: `all` may do all, to bring about what happens to the others.
  const users = permissions.replace("users: [", `users: [ { user: "all", password: "p" }`);
  const server = await startNatsServer({ config: `trace: true\n${passwords}\n${users}` });
  const { logger, lines } = captureLogs();
  const buses: Bus[] = [];
  return {
    server,
    lines,
    async as(user) {
      const bus = await connect({ servers: server.url, user, pass: "p", name: user, logger });
      buses.push(bus);
      return bus;
    },
    async unused(users) {
      const seen = traffic(await server.log());
      return users.flatMap((user) =>
        (["publish", "subscribe"] as const).flatMap((list) => {
          const patterns = allowed(user, list);
          ok(patterns.length > 0, `${user} has no list ${list}`);
          const done = [...seen.get(user)?.[list] ?? []];
          return patterns.filter((pattern) => !done.some((subject) => covers(pattern, subject)))
            .map((pattern) => `${user} ${list} ${pattern}`);
        })
      );
    },
    violations: async () => (await server.log()).match(/.*Permissions Violation.*/g) ?? [],
    async [Symbol.asyncDispose]() {
      for (const bus of buses) await bus.close();
      await server.stop();
    },
  };
}

/** What each user has published to and subscribed to, as the server logged it. */
function traffic(log: string): Map<string, Record<List, Set<string>>> {
  const users = new Map<string, string>();
  const seen = new Map<string, Record<List, Set<string>>>();
  const line = /cid:(\d+) .*<<- \[(CONNECT|H?PUB|SUB) (\S+)(.*)\]$/gm;
  for (const [, cid = "", operation, first = "", rest] of log.matchAll(line)) {
    if (operation === "CONNECT") {
      const user = /"user":"(\w+)"/.exec(first + rest)?.[1] ?? "";
      users.set(cid, user);
      if (!seen.has(user)) seen.set(user, { publish: new Set(), subscribe: new Set() });
    } else {
      seen.get(users.get(cid) ?? "")?.[operation === "SUB" ? "subscribe" : "publish"].add(first);
    }
  }
  return seen;
}

/** The subjects of one list of one block. */
function allowed(user: string, list: List): string[] {
  const block = new RegExp(`^${user.toUpperCase()} = \\{\n([^]*?)^\\}`, "m").exec(permissions)?.[1];
  const subjects = new RegExp(`${list}: \\[([^]*?)\\]`).exec(block ?? "")?.[1] ?? "";
  return [...subjects.matchAll(/"([^"]+)"/g)].map(([, subject = ""]) => subject);
}

function covers(pattern: string, subject: string): boolean {
  const tokens = subject.split(".");
  return pattern.split(".").every((token, at, all) =>
    token === ">" || (token === "*" ? tokens[at] !== undefined : token === tokens[at]) &&
      (at < all.length - 1 || tokens.length === all.length)
  );
}
