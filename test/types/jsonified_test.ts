// The type of what arrives: `deno check` is the test of the types, and what runs shows that they tell the truth.

import { deepStrictEqual } from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import {
  connect,
  createClient,
  createLogger,
  createService,
  type Jsonified,
  type ResultOf,
  rpc,
} from "../../mod.ts";
import { msgpack } from "../../msgpack.ts";

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;
const same = <A, B>(..._: Same<A, B> extends true ? [] : [never]): void => {};

interface Named {
  readonly id: string;
  readonly tags: readonly ("a" | "b")[];
  readonly inner?: { readonly n: number | null };
}
interface Tree {
  readonly name: string;
  readonly children: Tree[];
}
interface Dated {
  readonly at: Date;
  readonly below: Dated[];
}
type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
class Money {
  readonly cents: number = 5;
  toJSON(): { amount: string } {
    return { amount: "0.05" };
  }
}
class Plain {
  readonly id: string = "x";
  readonly #secret: number = 1;
  double(): number {
    return this.#secret * 2;
  }
}

test("what JSON knows is the same type", () => {
  same<Jsonified<string>, string>();
  same<Jsonified<"a" | 5 | true | null>, "a" | 5 | true | null>();
  same<Jsonified<boolean>, boolean>();
  same<Jsonified<Named>, Named>();
  same<Jsonified<Named[]>, Named[]>();
  same<Jsonified<readonly [Named, number]>, readonly [Named, number]>();
  same<Jsonified<Record<string, Named>>, Record<string, Named>>();
  same<Jsonified<Tree>, Tree>();
  same<Jsonified<Json>, Json>();
  same<
    Jsonified<{ kind: "a"; n: number } | { kind: "b" }>,
    { kind: "a"; n: number } | { kind: "b" }
  >();
  // deno-lint-ignore no-explicit-any
  same<Jsonified<any>, any>();
  same<Jsonified<unknown>, unknown>();
  same<Jsonified<never>, never>();
  same<Jsonified<{ a: unknown; b?: string }>, { a: unknown; b?: string }>();
});

test("what JSON does not know is what becomes of it", () => {
  same<Jsonified<void>, null>();
  same<Jsonified<undefined>, null>();
  same<Jsonified<string | undefined>, string | null>();
  same<Jsonified<Date>, string>();
  same<
    Jsonified<{ id: string; at: Date; list: Date[] }>,
    { id: string; at: string; list: string[] }
  >();
  same<Jsonified<Named & { at: Date }>["at"], string>();
  same<Jsonified<Money>, { amount: string }>();
  same<Jsonified<URL>, string>();
  same<Jsonified<{ a: number | undefined; b: undefined; c?: Date }>, { a?: number; c?: string }>();
  same<Jsonified<{ id: string; run(): void; [Symbol.iterator]: number }>, { id: string }>();
  same<Jsonified<Plain>, { readonly id: string }>();
  same<Jsonified<Map<string, number>>, Record<string, never>>();
  same<Jsonified<{ seen: Set<string> }>, { seen: Record<string, never> }>();
  same<Jsonified<(number | undefined)[]>, (number | null)[]>();
  same<Jsonified<[Date, () => void]>, [string, null]>();
  same<Jsonified<{ n: bigint }>, { n: number | bigint }>();
  same<Jsonified<Record<string, Date>>, Record<string, string>>();
  same<Jsonified<Dated>["below"][number]["below"][number]["at"], string>();
  same<Jsonified<{ a?: string | undefined }>, { a?: string }>();
});

const handlers = [
  rpc("dated", { result: v.object({ at: v.date() }) }, () => ({ at: new Date(0) })),
  rpc("mapped", () => new Map([["a", 1]])),
  rpc("nothing", () => {}),
  rpc("later", async () => await Promise.resolve()),
  rpc("money", () => ({ price: new Money(), note: undefined as string | undefined })),
  rpc("plain", () => [new Plain(), undefined, new Date(0)] as const),
] as const;

for (const codec of [undefined, msgpack()]) {
  test(`what arrives is of the type that the caller sees: ${codec?.name ?? "json"}`, async () => {
    const logger = createLogger({ level: "silent" });
    await using bus = await connect({
      servers: "memory:",
      logger,
      ...(codec === undefined ? {} : { codec }),
    });
    await using service = createService("shop", { bus, handlers });
    await service.start();
    const { call } = createClient({ bus }).service<typeof service>("shop");
    const dated: { at: string } = await call("dated");
    deepStrictEqual(dated, { at: "1970-01-01T00:00:00.000Z" });
    const mapped: Record<string, never> = await call("mapped");
    deepStrictEqual(mapped, {});
    const nothing: null = await call("nothing");
    const later: null = await call("later");
    deepStrictEqual([nothing, later], [null, null]);
    const money: { price: { amount: string }; note?: string } = await call("money");
    deepStrictEqual(money, { price: { amount: "0.05" } });
    const plain: readonly [{ id: string }, null, string] = await call("plain");
    deepStrictEqual(plain, [{ id: "x" }, null, "1970-01-01T00:00:00.000Z"]);
    same<ResultOf<typeof service, "dated">, { at: string }>();
    // @ts-expect-error a Date does not arrive as one
    const wrong: Date = (await call("dated")).at;
    deepStrictEqual(typeof wrong, "string");
  });
}
