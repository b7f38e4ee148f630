// Proves that browsers and workers can load edge.ts, and prints how much that is: nothing of node:, nothing at module
// scope that has to wait for a request, and no more bytes than are said here.

import process from "node:process";
import { bundle, gzipped, loadedLater } from "./edge_bundle.ts";
import { moduleAt, moduleScopeUses } from "./module_scope.ts";

const WHOLE = `export * from "./edge.ts";`;

/** What is bundled, with the most that it may have at first, in kB of gzip; what comes later comes when it is needed. */
const PROGRAMS: readonly (readonly [name: string, source: string, most: number])[] = [
  ["the whole API", WHOLE, 170],
  ["a page that calls", `export { connect, createClient } from "./edge.ts";`, 124],
  ["nats-core alone", `export { wsconnect } from "@nats-io/nats-core";`, 43],
];

/** Loads every module that edge.ts reaches, those that it loads later too. @returns how many modules there are */
async function checkModuleScope(): Promise<number> {
  const later = loadedLater((await bundle(WHOLE)).inputs);
  const all = [WHOLE, ...later.map((path) => `import ${JSON.stringify(path)};`)].join("\n");
  const { first: [code = ""], inputs } = await bundle(all, { format: "iife" });
  for (const { what, line } of moduleScopeUses(code)) {
    throw new Error(`${moduleAt(code, line)} uses ${what} while it is loaded`);
  }
  return Object.keys(inputs).length;
}

async function checkSizes(): Promise<void> {
  const kB = (texts: readonly string[]) => gzipped(texts) / 1000;
  const tooLarge: string[] = [];
  console.log("kB of gzip         at first  at most    later");
  for (const [name, source, most] of PROGRAMS) {
    const { first, later } = await bundle(source, { minify: true, splitting: true });
    const column = (n: number) => n.toFixed(1).padStart(9);
    console.log(name.padEnd(18) + column(kB(first)) + column(most) + column(kB(later)));
    if (kB(first) > most) tooLarge.push(name);
  }
  if (tooLarge.length > 0) throw new Error(`Too large is ${tooLarge.join(", ")}`);
}

try {
  console.log(`edge: ${await checkModuleScope()} modules, nothing at module scope, no node:`);
  await checkSizes();
} catch (error) {
  console.error(`edge: ${(error as Error).message}`);
  process.exitCode = 1;
}
process.exit(); // esbuild's own process would keep this one
