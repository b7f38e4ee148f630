// Environment variables, where a runtime has them and lets a program see them.

/** What is asked of the global scope; each runtime has a part of it. */
interface Global {
  readonly Deno?: {
    readonly env: { get(name: string): string | undefined };
    readonly permissions: {
      querySync(query: { name: "env"; variable: string }): { readonly state: string };
    };
  };
  readonly process?: { readonly env?: Readonly<Record<string, string | undefined>> };
}

/**
 * The values of those variables that are set and may be read. It never fails and never makes a runtime ask its user:
 * under Deno a variable without `--allow-env` is as one that is not set, and where there is no environment, as on
 * edge workers and in browsers, none is.
 */
export function readEnvironment(names: readonly string[]): Record<string, string | undefined> {
  const { Deno: deno, process } = globalThis as unknown as Global;
  const found: Record<string, string | undefined> = {};
  for (const name of names) {
    const value = deno === undefined
      ? process?.env?.[name]
      : deno.permissions.querySync({ name: "env", variable: name }).state === "granted"
      ? deno.env.get(name)
      : undefined;
    if (value !== undefined) found[name] = value;
  }
  return found;
}
