import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { checkExamples, checkExports } from "../../tools/check_exports.ts";
import { checkManifest, jsrManifest, type Manifest } from "../../tools/check_manifest.ts";
import { countTests } from "../../tools/test_counts.ts";
import { testFailures } from "../../tools/test_failures.ts";

const SOURCES = [
  `import * as v from "valibot";`,
  `const { internal } = await import("@a/b/internal"); if (internal.kind === "zod") {}`,
];
const DENO: Manifest = {
  name: "@a/c",
  version: "1.2.3",
  license: "MIT",
  exports: { ".": "./mod.ts" },
  imports: { valibot: "npm:valibot@1", "@a/b": "npm:@a/b@1", zod: "npm:zod@4" },
};

test("jsrManifest() takes over what the published files import", () => {
  const { name, version, imports } = jsrManifest(DENO, SOURCES);
  deepStrictEqual([name, version], ["@a/c", "1.2.3"]);
  deepStrictEqual(imports, { valibot: "npm:valibot@1", "@a/b": "npm:@a/b@1" });
});

test("checkManifest() names each difference, and a deno.json that publishes everything", () => {
  const jsr = jsrManifest(DENO, SOURCES);
  const { publish = {} } = jsr;
  deepStrictEqual(checkManifest({ ...DENO, publish }, jsr, SOURCES), []);
  const faults = checkManifest({ ...DENO, publish }, { ...jsr, version: "1.2.2" }, SOURCES);
  strictEqual(faults.length, 1);
  match(faults[0] ?? "", /version differs/);
  match(checkManifest(DENO, jsr, SOURCES)[0] ?? "", /would publish tools and tests/);
  strictEqual(checkManifest({ ...DENO, publish }, undefined, SOURCES).length, 6);
});

test("checkExports() names what is missing, and where the full entries differ", () => {
  const exported = new Map([["mod.ts", ["a", "b"]], ["edge.ts", ["a"]], ["deno.ts", ["a", "b"]]]);
  deepStrictEqual(checkExports(exported, { "mod.ts": ["a", "c"] }), [
    "mod.ts does not export c",
    "mod.ts exports b, which is not promised; if it is to be public: `deno run -A tools/check_exports.ts --fix`",
    "edge.ts does not export b, which another full entry exports",
  ]);
  const same = new Map(exported).set("edge.ts", ["b", "a"]);
  deepStrictEqual(checkExports(same, { "mod.ts": ["b", "a"] }), []);
  match(checkExports(same, { "mod.ts": ["a"] })[0] ?? "", /exports b, which is not promised/);
});

test("checkExamples() asks for an example that runs of each entry and of what programs use", () => {
  const shown = { tags: [{ kind: "example", doc: "It calls\n```ts\ncall();\n```" }] };
  const symbols = [
    { name: "call", declarations: [{ kind: "function" }, { kind: "function", jsDoc: shown }] },
    { name: "Options", declarations: [{ kind: "interface" }] },
  ];
  deepStrictEqual(
    checkExamples("mod.ts", { module_doc: { doc: "It calls", ...shown }, symbols }),
    [],
  );
  const bare = { name: "Client", declarations: [{ kind: "class", jsDoc: { tags: [] } }] };
  const untried = { tags: [{ kind: "example", doc: "```ts ignore\ncall();\n```" }] };
  const held = { name: "Kv", declarations: [{ kind: "interface" }] };
  const constant = { name: "LIMITS", declarations: [{ kind: "variable", jsDoc: untried }] };
  deepStrictEqual(checkExamples("mod.ts", { module_doc: shown, symbols: [bare, held, constant] }), [
    "mod.ts has no documentation of the module with an example",
    "mod.ts: Client has no example",
    "mod.ts: Kv has no example",
    "mod.ts: LIMITS has no example",
  ]);
});

test("countTests() reads the summaries of Deno, Node and Bun", () => {
  const deno =
    "x ... ok (1ms)\n\nFAILED | 3 passed (2 steps) | 1 failed | 2 ignored (1 step) (13ms)\n";
  const node = "ℹ tests 8\nℹ suites 1\nℹ pass 4\nℹ fail 1\nℹ cancelled 1\nℹ skipped 2\n";
  const bun =
    "(pass) a [0.97ms]\n\n 3 pass\n 2 skip\n 1 fail\nRan 7 tests across 1 file. [26.00ms]\n";
  deepStrictEqual(countTests(deno), { passed: 3, failed: 1 });
  deepStrictEqual(countTests(node), { passed: 4, failed: 2 });
  deepStrictEqual(countTests(bun), { passed: 3, failed: 1 });
  strictEqual(countTests("error: Module not found"), undefined);
});

test("testFailures() names what failed, where and why, on Deno, Node and Bun", () => {
  // As they print it.
  const deno = `a ... ok (8ms)
b ... FAILED (14ms)

 ERRORS

b => ./test/b_test.ts:4:1
\x1b[31merror\x1b[0m: AssertionError: Expected values to be strictly equal:

1 !== 2

test("b", () => strictEqual(1, 2));
                ^
    at NodeTestContext.<anonymous> (file:///test/b_test.ts:4:23)

b => ./test/c_test.ts:2:1
error: TypeError: of another file
    at NodeTestContext.<anonymous> (file:///test/c_test.ts:2:31)

../part_1_test.ts (uncaught error)
error: (in promise) Error: does not load
    at file:///test/d_test.ts:1:7

 FAILURES

b => ./test/b_test.ts:4:1
b => ./test/c_test.ts:2:1
../part_1_test.ts (uncaught error)

FAILED | 1 passed | 3 failed (466ms)
`;
  deepStrictEqual(testFailures(deno), [
    'b => ./test/b_test.ts:4:1: error: AssertionError: Expected values to be strictly equal:  1 !== 2  test("b", () => strictEqual(1, 2)); ^',
    "b => ./test/c_test.ts:2:1: error: TypeError: of another file",
    "../part_1_test.ts (uncaught error): error: (in promise) Error: does not load",
  ]);
  const node = `✔ a (0.2ms)
✖ b (1.3ms)

✖ failing tests:

test at test/b_test.ts:4:1
✖ b (1.3ms)
  AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:

  1 !== 2

      at Test.run (node:internal/test_runner/test:1402:25) {
    generatedMessage: true,
  }
`;
  deepStrictEqual(testFailures(node), [
    "✖ b (1.3ms) => test/b_test.ts:4:1: AssertionError [ERR_ASSERTION]: Expected values to be strictly equal:  1 !== 2 ",
  ]);
  const bun = `test/d_test.ts:

# Unhandled error between tests
-------------------------------
1 | throw new Error("does not load");
              ^
error: does not load
      at /test/d_test.ts:1:11
-------------------------------

test/b_test.ts:
(pass) a [1.84ms]
AssertionError: Expected values to be strictly equal:

1 !== 2

 generatedMessage: true,
      at node:test:1445:26
(fail) b [1.44ms]

1 tests failed:
(fail) b [1.44ms]

 1 pass
 1 fail
`;
  deepStrictEqual(testFailures(bun), [
    "between tests => test/d_test.ts: error: does not load",
    "b => test/b_test.ts: AssertionError: Expected values to be strictly equal:  1 !== 2 ",
  ]);
  deepStrictEqual(testFailures("ok | 1 passed | 0 failed"), []);
});
