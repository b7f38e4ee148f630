import { deepStrictEqual, match, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { checkVersion } from "../../tools/check_version.ts";
import { DESCRIPTION, packageJson } from "../../tools/npm_manifest.ts";

const JSR = {
  name: "@a/c",
  version: "1.2.3",
  license: "MIT",
  exports: { ".": "./mod.ts", "./edge": "./edge.ts" },
  imports: { valibot: "npm:valibot@~1.5.0", "@a/b": "npm:@a/b@^2", "@d/e": "jsr:@d/e@~3.1.0" },
};

test("packageJson() has an entry with types for each of JSR's, and its npm packages as they are pinned", () => {
  const { name, version, exports, dependencies, engines } = packageJson(JSR);
  deepStrictEqual([name, version], ["@a/c", "1.2.3"]);
  deepStrictEqual(exports, {
    ".": { types: "./dist/mod.d.ts", default: "./dist/mod.js" },
    "./edge": { types: "./dist/edge.d.ts", default: "./dist/edge.js" },
    "./package.json": "./package.json",
  });
  deepStrictEqual(dependencies, { valibot: "~1.5.0", "@a/b": "^2" });
  match(engines["node"] ?? "", /^>=20\./);
});

test("packageJson() asks for what is on JSR alone as an optional peer", () => {
  const { peerDependencies, peerDependenciesMeta } = packageJson(JSR);
  deepStrictEqual(peerDependencies, { "@d/e": "~3.1.0" });
  deepStrictEqual(peerDependenciesMeta, { "@d/e": { optional: true } });
});

test("packageJson() refuses an import that npm cannot install under that name", () => {
  for (const target of ["npm:zod@4", "https://example.com/valibot.ts", "npm:valibot"]) {
    throws(() => packageJson({ ...JSR, imports: { valibot: target } }), /valibot to .*cannot/);
  }
});

test("packageJson() names the repository that it is given, and none otherwise", () => {
  strictEqual(packageJson(JSR).repository, undefined);
  strictEqual(packageJson(JSR, "a/c").repository?.url, "git+https://github.com/a/c.git");
});

test("the description is as long as JSR takes it", () => {
  ok(DESCRIPTION.length <= 250, `${DESCRIPTION.length}`);
});

const SAID = { changelog: "# Changelog\n\n## 1.2.3 - 2026-01-31\n", deno: "1.2.3", jsr: "1.2.3" };

test("checkVersion() holds the files to the newest heading of the changelog", () => {
  deepStrictEqual(checkVersion(SAID), []);
  deepStrictEqual(checkVersion({ ...SAID, deno: "1.2.4" }), [
    "deno.json is 1.2.4, and the newest heading of CHANGELOG.md is 1.2.3",
  ]);
  strictEqual(checkVersion({ ...SAID, jsr: undefined }).length, 1);
  match(checkVersion({ ...SAID, changelog: "## [1.2.3]\n" })[0] ?? "", /newest heading is "## \[1/);
  match(checkVersion({ ...SAID, changelog: "" })[0] ?? "", /newest heading is "undefined"/);
});

test("checkVersion() lets a tag publish its own version alone, and on a day", () => {
  deepStrictEqual(checkVersion(SAID, "v1.2.3"), []);
  match(checkVersion(SAID, "v1.2.4")[0] ?? "", /the tag is v1\.2\.4, and has to be v1\.2\.3/);
  const unreleased = { ...SAID, changelog: "## 1.2.3 - Unreleased" };
  deepStrictEqual(checkVersion(unreleased), []);
  match(checkVersion(unreleased, "v1.2.3")[0] ?? "", /needs the day/);
});
