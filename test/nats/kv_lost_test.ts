// Writes of the KV store of which one message is lost: the request, or its answer. Each is stored once, or says why not.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { after, test } from "node:test";
import { ConflictError, connect, type Kv } from "../../mod.ts";
import { startNatsServer } from "../../tools/nats_server.ts";
import { type LossyWay, lossyWay } from "./lossy_way.ts";
import { logger, pause } from "./outage_tools.ts";

const server = await startNatsServer();
after(() => server.stop());
let buckets = 0;
/** After how long what was written is older than what comes, for who knows the server's time as well as one message tells it. */
const OLD_MS = 1_000;

interface Stage {
  readonly way: LossyWay;
  /** The bucket over the way that loses. */
  readonly kv: Kv;
  /** The same bucket straight to the server. */
  readonly other: Kv;
  /** Loses one message of a write to `key`. */
  lose(what: "request" | "answer", key: string): void;
}

async function staged(history: number, run: (stage: Stage) => Promise<void>): Promise<void> {
  await using way = await lossyWay(server);
  await using lossy = await connect({ servers: way.url, logger });
  await using safe = await connect({ servers: server.url, logger });
  const name = `lost_${++buckets}`;
  const kv = await lossy.kv(name, { history });
  const other = await safe.kv(name);
  const lose = (what: "request" | "answer", key: string): void =>
    way.lose(what, `$KV.${name}.${key}`);
  await run({ way, kv, other, lose });
  strictEqual(way.lost.length, 1, "what was lost");
}

/** What a key may have had before. */
const BEFORE: Readonly<Record<string, (kv: Kv) => Promise<unknown>>> = {
  "was never there": () => Promise.resolve(),
  "was deleted": async (kv) => [await kv.put("key", 1), await kv.delete("key")],
  "was purged": async (kv) => [await kv.put("key", 1), await kv.purge("key")],
  "was created and deleted": async (kv) => [
    await kv.put("key", 1, { createOnly: true }),
    await kv.delete("key"),
  ],
};

const cases: { readonly name: string; readonly run: () => Promise<void> }[] = [];
const rule = (name: string, run: () => Promise<void>): void => void cases.push({ name, run });

for (const what of ["request", "answer"] as const) {
  for (const history of [1, 5]) {
    for (const [before, prepare] of Object.entries(BEFORE)) {
      rule(
        `createOnly of a key that ${before}, the ${what} lost, history ${history}`,
        () =>
          staged(history, async ({ kv, other, lose }) => {
            await prepare(other);
            // By when it was stored it is known to have been there before.
            await pause(OLD_MS);
            lose(what, "key");
            const revision = await kv.put("key", 2, { createOnly: true });
            const { value, revision: is } = (await other.get("key"))!;
            deepStrictEqual([value, is], [2, revision]);
            const { values } = await other.status();
            await kv.put("key", 3, { revision });
            strictEqual((await other.status()).values, history === 1 ? values : values + 1);
          }),
      );
    }

    rule(
      `createOnly of a key that was deleted just now, the ${what} lost, history ${history}`,
      () =>
        staged(history, async ({ kv, other, lose }) => {
          await kv.put("key", 1);
          await kv.delete("key");
          lose(what, "key");
          const revision = await kv.put("key", 2, { createOnly: true });
          strictEqual((await other.get("key"))?.revision, revision);
        }),
    );

    rule(
      `createOnly of a key that is there, the ${what} lost, history ${history}`,
      () =>
        staged(history, async ({ kv, other, lose }) => {
          const revision = await other.put("key", 1);
          await pause(OLD_MS);
          lose(what, "key");
          await rejects(
            kv.put("key", 2, { createOnly: true }),
            (error) => ConflictError.is(error) && error.details.revision === revision,
          );
          strictEqual((await other.get("key"))?.value, 1);
        }),
    );

    rule(
      `a put at a revision, the ${what} lost, history ${history}`,
      () =>
        staged(history, async ({ kv, other, lose }) => {
          const revision = await other.put("key", 1);
          lose(what, "key");
          const next = await kv.put("key", 2, { revision });
          strictEqual((await other.get("key"))?.revision, next);
          await rejects(kv.put("key", 3, { revision }), ConflictError);
        }),
    );

    rule(
      `a put at a revision that is none any more, the ${what} lost, history ${history}`,
      () =>
        staged(history, async ({ kv, other, lose }) => {
          const revision = await other.put("key", 1);
          await kv.get("key");
          await other.put("key", 2);
          await pause(OLD_MS);
          lose(what, "key");
          await rejects(kv.put("key", 3, { revision }), ConflictError);
          strictEqual((await other.get("key"))?.value, 2);
        }),
    );

    rule(
      `a deletion, the ${what} lost, history ${history}`,
      () =>
        staged(history, async ({ kv, other, lose }) => {
          await other.put("key", 1);
          lose(what, "key");
          strictEqual(await kv.delete("key"), true);
          ok(!await other.exists("key"));
          strictEqual((await other.history("key")).length, history === 1 ? 1 : 2);
        }),
    );
  }
}

/** How many run side by side. They wait most of the time: for an answer that does not come. */
const LANES = 9;
// Not before their turn has come: until then others run in this process, which may take all of its time.
let outcomes: Promise<void>[] | undefined;
function begin(): Promise<void>[] {
  const lanes = Array.from({ length: LANES }, () => Promise.resolve());
  return cases.map(({ run }, index) => {
    const ran = lanes[index % LANES]!.then(run);
    lanes[index % LANES] = ran.catch(() => undefined);
    return ran;
  });
}

for (const [index, { name }] of cases.entries()) {
  test(name, () => (outcomes ??= begin())[index]);
}
