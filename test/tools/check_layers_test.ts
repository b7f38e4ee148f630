import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import {
  checkEdge,
  checkLayers,
  type Import,
  medianLines,
  type Module,
} from "../../tools/layers.ts";
import { codeOnly, globalsIn } from "../../tools/source_text.ts";

function module(path: string, imports: Record<string, "value" | "type"> = {}, text = "\n"): Module {
  return {
    path,
    text,
    imports: Object.entries(imports).map(([to, kind], index): Import => ({
      to,
      line: index + 1,
      typeOnly: kind === "type",
    })),
  };
}

function faults(...modules: Module[]): string[] {
  return checkLayers(modules).map(({ path, line, message }) => `${path}:${line}: ${message}`);
}

test("checkLayers() finds nothing in a tree that keeps the arrows", () => {
  deepStrictEqual(
    faults(
      module("mod.ts", { "src/api.ts": "value", "npm:@nats-io/transport-node": "value" }),
      module("src/api.ts", {
        "src/app/service.ts": "value",
        "src/adapters/nats/connect.ts": "value",
      }),
      module("src/app/service.ts", { "src/app/rpc.ts": "value", "src/app/event.ts": "value" }),
      module("src/app/rpc.ts", { "src/app/context.ts": "value", "src/ports/clock.ts": "type" }),
      module("src/app/event.ts", { "src/domain/event.ts": "value" }),
      module("src/app/context.ts", { "src/app/rpc.ts": "type" }),
      module("src/ports/clock.ts", { "src/domain/event.ts": "type" }),
      module("src/domain/event.ts", {
        "npm:valibot": "value",
        "npm:@standard-schema/spec": "type",
      }),
      module("src/adapters/nats/connect.ts", {
        "npm:@nats-io/nats-core": "value",
        "src/ports/clock.ts": "type",
        "src/adapters/nats/error.ts": "value",
        "node:fs": "value",
      }),
      module("src/adapters/nats/error.ts"),
    ),
    [],
  );
});

const FORBIDDEN: [from: string, to: string, kind: "value" | "type", message: RegExp][] = [
  ["src/domain/a.ts", "src/ports/clock.ts", "type", /domain may not import src\/ports\/clock\.ts/],
  ["src/domain/a.ts", "npm:zod", "value", /domain may not import npm:zod/],
  ["src/domain/a.ts", "node:fs", "value", /domain may not import node:fs/],
  ["src/ports/a.ts", "src/domain/b.ts", "value", /a port may only `import type`/],
  ["src/ports/a.ts", "src/app/rpc.ts", "type", /ports may not import/],
  ["src/app/rpc.ts", "src/ports/clock.ts", "value", /is a port: import it with/],
  ["src/app/rpc.ts", "src/app/event.ts", "type", /sibling capability/],
  ["src/app/rpc.ts", "src/app/service.ts", "type", /which composes/],
  ["src/app/context.ts", "src/app/rpc.ts", "value", /is shared and may import types alone/],
  ["src/app/rpc.ts", "src/adapters/system/clock.ts", "value", /app may not import/],
  ["src/app/rpc.ts", "npm:valibot", "value", /app may not import npm:valibot/],
  ["src/app/rpc.ts", "src/api.ts", "value", /app may not import src\/api\.ts/],
  ["src/app/rpc.ts", "npm:@nats-io/nats-core", "type", /only src\/adapters\/nats/],
  ["src/adapters/memory/a.ts", "src/adapters/system/clock.ts", "value", /may not import/],
  ["src/adapters/memory/a.ts", "src/app/rpc.ts", "type", /may not import/],
  ["src/testing/a.ts", "src/adapters/memory/a.ts", "value", /testing may not import/],
  ["src/app/rpc.ts", "src/testing/a.ts", "type", /app may not import/],
  ["src/adapters/memory/a.ts", "npm:@nats-io/nats-core", "value", /only src\/adapters\/nats/],
  ["src/api.ts", "mod.ts", "value", /nobody may import the entry mod\.ts/],
  ["mod.ts", "tools/layers.ts", "value", /which is not in src/],
];

for (const [from, to, kind, message] of FORBIDDEN) {
  test(`checkLayers() refuses ${from} importing ${to} (${kind})`, () => {
    const found = faults(module(from, { [to]: kind }));
    strictEqual(found.length, 1);
    match(found[0] ?? "", message);
    match(found[0] ?? "", new RegExp(`^${from}:1: `));
  });
}

test("checkLayers() finds cycles at run time, and lets cycles of types be", () => {
  const a = "src/domain/a.ts";
  const b = "src/domain/b.ts";
  deepStrictEqual(faults(module(a, { [b]: "value" }), module(b, { [a]: "value" })), [
    `${b}:1: import cycle: ${a} → ${b} → ${a}`,
  ]);
  deepStrictEqual(faults(module(a, { [b]: "value" }), module(b, { [a]: "type" })), []);
});

test("checkLayers() refuses long files, values in ports, unlisted files of app", () => {
  deepStrictEqual(faults(module("src/domain/a.ts", {}, "//\n".repeat(301))), [
    "src/domain/a.ts:301: 301 lines, allowed are 300",
  ]);
  deepStrictEqual(faults(module("src/domain/a.ts", {}, "//\n".repeat(300))), []);
  match(
    faults(module("src/ports/a.ts", {}, "\nexport const A = 1;\n"))[0] ?? "",
    /a\.ts:2: a port holds/,
  );
  match(faults(module("src/app/new.ts"))[0] ?? "", /is in no list/);
});

test("checkLayers() refuses what Node 20 does not have, in code and not in comments", () => {
  const text = "// Promise.withResolvers()\nconst { promise } = Promise.withResolvers<void>();\n";
  deepStrictEqual(faults(module("src/adapters/system/late.ts", {}, text)), [
    "src/adapters/system/late.ts:2: Node 20 has no Promise.withResolvers; for promises src/domain/deferred.ts has one",
  ]);
});

test("checkLayers() allows time in adapters alone", () => {
  const text = "\nexport const now = () => Date.now();\n";
  deepStrictEqual(faults(module("src/adapters/system/clock.ts", {}, text)), []);
  match(faults(module("src/domain/clock.ts", {}, text))[0] ?? "", /clock\.ts:2: Date is used/);
});

test("checkEdge() follows imports and packages to what an edge worker lacks", () => {
  const tree = (leaf: string) => [
    module("edge.ts", { "src/api.ts": "value" }),
    module("src/api.ts", { "npm:some": "value", "npm:@nats-io/transport-node": "type" }),
    module("npm:some", { "/some/index.js": "value" }),
    module("/some/index.js", { [leaf]: "value" }),
  ];
  deepStrictEqual(checkEdge(tree("/some/other.js")), []);
  deepStrictEqual(checkEdge(tree("node:net")), [
    { path: "/some/index.js", line: 1, message: "edge.ts must not reach node:net" },
  ]);
  strictEqual(checkEdge(tree("npm:@nats-io/transport-node")).length, 1);
});

const USES: [text: string, names: string[]][] = [
  ["setTimeout(f, 1); globalThis.setInterval(f)", ["setTimeout", "setInterval"]],
  ["new Date; new Date(0); Date.now(); Date()", ["Date", "Date", "Date", "Date"]],
  ["let at: Date; at instanceof Date", []],
  ["Math.random(); crypto.randomUUID()", ["Math.random", "crypto"]],
  ["AbortSignal.timeout(1); performance.now()", ["AbortSignal.timeout", "performance"]],
  ["queueMicrotask(f); console.log(1); ({ console })", ["queueMicrotask", "console", "console"]],
  ["clock.setTimeout(); this.console; { console: 1 }", []],
  ["// Date.now()\n/* setTimeout() */ 'console.log' \"crypto.x\" `Date.now()`", []],
  ["`${`a${Date.now()}`} setTimeout()`", ["Date"]],
  ["/['\"]/.test(a); Date.now(); b / c / d", ["Date"]],
];

for (const [text, names] of USES) {
  test(`globalsIn() reads ${JSON.stringify(text)}`, () => {
    deepStrictEqual(globalsIn(text).map(({ name }) => name).sort(), [...names].sort());
  });
}

test("codeOnly() keeps lines and columns", () => {
  const text = "a /* b\nc */ d `e\n${f} g` // h\ni";
  strictEqual(codeOnly(text), "a     \n     d   \n  f         \ni");
});

test("medianLines() counts the files of src", () => {
  const lines = (count: number) => module(`src/${count}.ts`, {}, "x\n".repeat(count));
  strictEqual(
    medianLines([lines(1), lines(5), lines(9), module("mod.ts", {}, "\n".repeat(99))]),
    5,
  );
});
