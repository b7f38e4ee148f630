// The workflows: what they may do, and that they run tasks that there are.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { test } from "node:test";
import { parse } from "yaml";
import { runnable } from "../../tools/run_tests.ts";

const ROOT = new URL("../../", import.meta.url);

interface Job {
  readonly "runs-on": string;
  readonly needs?: string;
  readonly permissions?: Readonly<Record<string, string>>;
  readonly strategy?: { readonly matrix?: Readonly<Record<string, readonly string[]>> };
  readonly steps: readonly { readonly uses?: string; readonly run?: string }[];
}

interface Workflow {
  readonly permissions: Readonly<Record<string, string>>;
  readonly jobs: Readonly<Record<string, Job>>;
}

const folder = new URL(".github/workflows/", ROOT);
const names = (await readdir(folder)).sort();
const workflows = new Map(
  await Promise.all(
    names.map(async (name) =>
      [name, parse(await readFile(new URL(name, folder), "utf8")) as Workflow] as const
    ),
  ),
);

test("workflows may read, and publish by OIDC where a tag is published", () => {
  for (const [name, { permissions, jobs }] of workflows) {
    deepStrictEqual(permissions, { contents: "read" }, name);
    const more = Object.entries(jobs).filter(([, job]) => job.permissions !== undefined);
    deepStrictEqual(more.map(([job]) => job), name === "publish.yml" ? ["jsr", "npm"] : [], name);
    for (const [, job] of more) {
      deepStrictEqual(job.permissions, { contents: "read", "id-token": "write" });
    }
  }
});

test("workflows hold actions to commits", () => {
  for (const [name, { jobs }] of workflows) {
    for (const { uses } of Object.values(jobs).flatMap(({ steps }) => steps)) {
      if (uses !== undefined) match(uses, /@[0-9a-f]{40}$/, name);
    }
  }
});

test("workflows run tasks of deno.json", async () => {
  const { tasks } = JSON.parse(await readFile(new URL("deno.json", ROOT), "utf8"));
  let found = 0;
  for (const [name, { jobs }] of workflows) {
    for (const { strategy, steps } of Object.values(jobs)) {
      const text = steps.map(({ run }) => run ?? "").join("\n");
      for (const [, task = ""] of text.matchAll(/deno task ([\w:]+|\$\{\{ matrix\.task \}\})/g)) {
        const run = task.startsWith("$") ? strategy?.matrix?.["task"] ?? [] : [task];
        for (const one of run) ok(one in tasks, `${name}: ${one}`);
        found += run.length;
      }
    }
  }
  ok(found >= 5, `${found}`);
});

test("workflows run files that there are", () => {
  const lines = [...workflows.values()].flatMap(({ jobs }) => Object.values(jobs))
    .flatMap(({ steps }) => steps).map(({ run }) => run ?? "");
  const files = lines.flatMap((line) => [...line.matchAll(/(?:bash|run -A) ([\w./-]+)/g)])
    .map(([, file = ""]) => file);
  ok(files.length >= 3, files.join());
  for (const file of files) ok(existsSync(new URL(file, ROOT)), file);
});

test("the tests run on three systems, and nothing is published before the gate", () => {
  const ci = Object.values(workflows.get("ci.yml")?.jobs ?? {});
  const systems = new Set(
    ci.flatMap((job) => [job["runs-on"], ...job.strategy?.matrix?.["os"] ?? []]),
  );
  for (const system of ["ubuntu-latest", "macos-latest", "windows-latest"]) {
    ok(systems.has(system), system);
  }
  const { gate, ...published } = workflows.get("publish.yml")?.jobs ?? {};
  match(gate?.steps.map(({ run }) => run ?? "").join("\n") ?? "", /check_version\.ts --tag/);
  for (const [name, { needs }] of Object.entries(published)) strictEqual(needs, "gate", name);
  deepStrictEqual(Object.keys(published), ["jsr", "npm"]);
});

test("on Windows the files that need signals are left out, and nothing anywhere else", async () => {
  const files = ["test/runtime/run_test.ts", "test/nats/outage_test.ts", "test/app/rpc_test.ts"];
  deepStrictEqual(await runnable(files, "win32"), ["test/app/rpc_test.ts"]);
  for (const system of ["linux", "darwin"]) deepStrictEqual(await runnable(files, system), files);
});
