// The package.json of the package on npm, made of deno.json, so that it says nothing twice.

import type { Manifest } from "./check_manifest.ts";

/** What the package is, in one sentence; JSR takes at most 250 characters, which are typed in on its settings page. */
export const DESCRIPTION: string =
  "Services over NATS for Deno, Bun, Node and edge workers: typed RPC, durable events, commands with progress " +
  "and results, embedded or on a server.";

/** The oldest Node that the built package runs on. */
export const OLDEST_NODE = "20.9.0";

/** What npm's search finds it by. */
const KEYWORDS = ["nats", "jetstream", "rpc", "events", "commands", "queue", "microservices"];

/** The folder in the package that has what was built. */
export const BUILT = "dist";

/** A package.json, as far as this package has one. */
export interface PackageJson {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly license: string;
  readonly keywords: readonly string[];
  readonly repository?: { readonly type: "git"; readonly url: string };
  readonly type: "module";
  readonly sideEffects: false;
  readonly engines: Readonly<Record<string, string>>;
  readonly exports: Readonly<
    Record<string, string | { readonly types: string; readonly default: string }>
  >;
  readonly files: readonly string[];
  readonly dependencies: Readonly<Record<string, string>>;
  readonly peerDependencies: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta: Readonly<Record<string, { readonly optional: true }>>;
  readonly publishConfig: { readonly access: "public" };
}

/**
 * The package.json that belongs to a jsr.json. `repository` is `owner/name` on GitHub, which npm holds against the
 * provenance of what is published.
 *
 * What comes from JSR, and so from another registry, is an optional peer: `./deno` alone needs it, and installs without.
 */
export function packageJson(jsr: Manifest, repository?: string): PackageJson {
  const { name = "", version = "", license = "", exports = {}, imports = {} } = jsr;
  const dependencies: Record<string, string> = {};
  const peerDependencies: Record<string, string> = {};
  for (const [specifier, target] of Object.entries(imports)) {
    const [, registry, required, range = ""] = /^(npm|jsr):(@?[^@]+)@(.+)$/.exec(target) ?? [];
    if (required !== specifier) {
      throw new RangeError(
        `deno.json maps ${specifier} to ${target}, which a package.json cannot express`,
      );
    }
    (registry === "npm" ? dependencies : peerDependencies)[specifier] = range;
  }
  const built = (path: string, extension: string) =>
    path.replace("./", `./${BUILT}/`).replace(/\.ts$/, extension);
  return {
    name,
    version,
    description: DESCRIPTION,
    license,
    keywords: KEYWORDS,
    ...(repository === undefined
      ? {}
      : { repository: { type: "git", url: `git+https://github.com/${repository}.git` } }),
    type: "module",
    sideEffects: false,
    engines: { node: `>=${OLDEST_NODE}` },
    exports: {
      ...Object.fromEntries(
        Object.entries(exports).map((
          [entry, path],
        ) => [entry, { types: built(path, ".d.ts"), default: built(path, ".js") }]),
      ),
      "./package.json": "./package.json",
    },
    files: [BUILT, "CHANGELOG.md"],
    dependencies,
    peerDependencies,
    peerDependenciesMeta: Object.fromEntries(
      Object.keys(peerDependencies).map((peer) => [peer, { optional: true }]),
    ),
    publishConfig: { access: "public" },
  };
}
