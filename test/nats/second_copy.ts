// A second copy of nats-core with a transport of its own, as @nats-io/transport-deno brings one along from JSR.

import { cp, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Dial } from "../../src/adapters/nats/connect.ts";
import { dialDeno } from "../../src/adapters/nats/deno.ts";
import { type Core, denoSockets } from "../runtime/deno_sockets.ts";

const CACHE = fileURLToPath(new URL("../../.cache/", import.meta.url));

/** The copy. */
export interface SecondCopy extends AsyncDisposable {
  /** Connects by TCP: on Deno with its own sockets, as `@aegis/sdk/deno` does, elsewhere with the transport for Node. */
  readonly dial: Dial;
  /** The classes of its errors, which are not those of the first copy. */
  readonly errors: Readonly<Record<string, unknown>>;
}

/** Copies the packages as npm has them into a folder where they find nobody but each other, and loads them from there. */
export async function secondCopy(): Promise<SecondCopy> {
  await mkdir(CACHE, { recursive: true });
  const folder = await mkdtemp(join(CACHE, "second-copy-"));
  const require = createRequire(import.meta.url);
  await copyPackage("@nats-io/transport-node", require, folder);
  const load = createRequire(join(folder, "here.js"));
  const core = load("@nats-io/nats-core/internal") as Core;
  const dial: Dial = "Deno" in globalThis
    ? dialDeno({
      load: () => Promise.resolve({ connect: denoSockets(core) }),
      open: (address) => Deno.connect(address),
    })
    : (load("@nats-io/transport-node") as { readonly connect: Dial }).connect;
  return {
    dial,
    errors: core.errors,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Copies a package and those that it depends on. */
async function copyPackage(name: string, require: NodeJS.Require, folder: string): Promise<void> {
  let from = dirname(require.resolve(name));
  while (!from.endsWith(join("node_modules", name))) from = dirname(from);
  await cp(from, join(folder, "node_modules", name), { recursive: true, dereference: true });
  const manifest = JSON.parse(await readFile(join(from, "package.json"), "utf8"));
  const within = createRequire(join(from, "package.json"));
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    await copyPackage(dependency, within, folder);
  }
}
