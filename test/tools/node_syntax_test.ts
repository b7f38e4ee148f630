// Node takes the types out of a file as it loads it: each has to be readable so, also those that the gate runs on Deno alone.

import { deepStrictEqual, ok } from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import * as module from "node:module";
import process from "node:process";
import { test } from "node:test";

const ROOT = new URL("../../", import.meta.url);
const strip = (module as { stripTypeScriptTypes?: (code: string) => string }).stripTypeScriptTypes;
// Older ones run what was compiled.
const isNode = !("Deno" in globalThis || "Bun" in globalThis) &&
  parseInt(process.versions.node) >= 24;
const skip = !isNode || strip === undefined;

test(
  `Node can read every file${skip ? " (on Node 24 and newer alone)" : ""}`,
  { skip },
  async () => {
    const faults: string[] = [];
    let count = 0;
    for (const folder of ["src", "test", "tools", "examples", "bench"]) {
      for (const name of await readdir(new URL(folder, ROOT), { recursive: true })) {
        if (!name.endsWith(".ts")) continue;
        count++;
        try {
          strip!(await readFile(new URL(`${folder}/${name}`, ROOT), "utf8"));
        } catch (error) {
          faults.push(`${folder}/${name}: ${(error as Error).message}`);
        }
      }
    }
    deepStrictEqual(faults, []);
    ok(count > 500);
  },
);
