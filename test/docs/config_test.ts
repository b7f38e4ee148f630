// What docs/ gives for servers to read, is read by servers; what it gives for Kubernetes and Compose is well-formed.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parseAllDocuments } from "yaml";
import { connect, createClient, createService, rpc } from "../../mod.ts";
import { findNatsServer, type NatsServer, startNatsServer } from "../../tools/nats_server.ts";
import { clusterReady } from "../../tools/nats_cluster.ts";
import { onFreePorts } from "../../tools/ports.ts";
import { logger, until } from "../nats/outage_tools.ts";

const DOCS = new URL("../../docs/", import.meta.url);
/** With slashes on Windows too: behind a backslash nats-server looks for a character of its own. */
const CERTS = fileURLToPath(new URL("../nats/certs/", import.meta.url)).replaceAll("\\", "/");

interface Manifest {
  readonly kind?: string;
  readonly data?: Readonly<Record<string, string>>;
}

async function blocks(language: string): Promise<{ page: string; text: string }[]> {
  const pages = (await readdir(DOCS)).filter((file) => file.endsWith(".md")).sort();
  const found = pages.map(async (page) => {
    const text = await readFile(new URL(page, DOCS), "utf8");
    const all = text.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, "gm"));
    return [...all].map(([, text = ""]) => ({ page, text }));
  });
  return (await Promise.all(found)).flat();
}

async function manifests(): Promise<Manifest[]> {
  const found: Manifest[] = [];
  for (const { page, text } of await blocks("yaml")) {
    for (const document of parseAllDocuments(text, { uniqueKeys: true })) {
      if (!("toJS" in document)) continue;
      deepStrictEqual(document.errors, [], page);
      found.push(document.toJS());
    }
  }
  return found;
}

/** What nats-server says of a configuration, which it does not run. */
async function tried(text: string): Promise<string> {
  const { bin } = await findNatsServer();
  const folder = await mkdtemp(join(tmpdir(), "aegis-docs-"));
  try {
    const file = join(folder, "nats.conf");
    await writeFile(file, text);
    const env = {
      ...process.env,
      NATS_PASSWORD: "secret",
      POD_NAME: "nats-0",
      SHOP_PASS: "p",
      LAB_PASS: "p",
    };
    const { stderr, stdout } = await promisify(execFile)(bin, ["-c", file, "-t"], { env });
    return stdout + stderr;
  } finally {
    await rm(folder, { recursive: true });
  }
}

const clusterConfig = async (): Promise<string> =>
  (await manifests()).find(({ kind }) => kind === "ConfigMap")?.data?.["nats.conf"] ?? "";

test("nats-server takes each whole configuration of docs/", async () => {
  const whole = (await blocks("conf")).filter(({ page, text }) =>
    page !== "security.md" || /^(tls|accounts) \{$/m.test(text)
  );
  ok(whole.length >= 2, `${whole.length}`);
  const texts = [...whole.map(({ text }) => text), await clusterConfig()];
  for (const text of texts) {
    const here = text.replaceAll("/etc/nats/authority.pem", `${CERTS}ca.pem`)
      .replaceAll("/etc/nats/", CERTS);
    ok((await tried(here)).includes("configuration file"), text);
  }
});

test("accounts of docs/security.md see neither subjects nor streams of one another", async () => {
  const [text = ""] = (await blocks("conf")).map((block) => block.text)
    .filter((text) => text.includes("accounts {"));
  // The server of a test has a store of its own.
  const accounts = `SHOP_PASS: "p"\nLAB_PASS: "p"\n${text.replace(/^jetstream .*\n/, "")}`;
  await using server = await startNatsServer({ config: accounts });
  const as = (user: string) => connect({ servers: server.url, user, pass: "p", logger });
  await using shop = await as("shop");
  await using lab = await as("lab");
  await using service = createService("till", { bus: shop, handlers: [rpc("open", () => 1)] });
  await service.start();
  await (await shop.kv("prices")).put("lamp", 18);
  strictEqual(await createClient({ bus: shop }).call("till", "open"), 1);
  await rejects(createClient({ bus: lab }).call("till", "open"), { code: "SERVICE_UNAVAILABLE" });
  strictEqual(await (await lab.kv("prices")).get("lamp"), undefined);
});

test("the manifests of docs/ are well-formed, and each has its kind", async () => {
  const kinds = (await manifests()).map(({ kind }) => kind);
  strictEqual(kinds.filter((kind) => kind === undefined).length, 2); // Compose, and the values of Helm
  for (const kind of ["ConfigMap", "Service", "StatefulSet", "PodDisruptionBudget", "Deployment"]) {
    ok(kinds.includes(kind), kind);
  }
});

test("the configuration for Kubernetes makes a cluster of three that keeps three copies", async () => {
  const text = await clusterConfig();
  const [, cluster = ""] = /^(cluster \{[^]*?^\})$/m.exec(text) ?? [];
  const started: NatsServer[] = [];
  try {
    const monitors = await onFreePorts(undefined, 9, async (ports) => {
      const http = ports.slice(3, 6);
      const routes = ports.slice(6);
      // One machine has the three: only names and ports are others than in a cluster of Kubernetes.
      const here = cluster.replace(
        /nats-(\d)\.nats-headless:6222/g,
        (_, n) => `127.0.0.1:${routes[n]}`,
      );
      const servers = await Promise.all(routes.map((route, n) =>
        startNatsServer({
          port: ports[n]!,
          config: `http: "127.0.0.1:${http[n]}"\n${
            here.replace("0.0.0.0:6222", `127.0.0.1:${route}`)
          }`,
        })
      ));
      started.push(...servers);
      return http;
    });
    await clusterReady(started, monitors, true);
    const servers = started.map(({ url }) => url);
    await using bus = await connect({ servers, replicas: 3, logger });
    const { stream } = await createClient({ bus }).publish("order.created", { id: 1 });
    const config = async () => {
      const found = await fetch(`http://127.0.0.1:${monitors[0]}/jsz?streams=true&config=true`);
      const streams = (await found.json()).account_details?.[0]?.stream_detail ?? [];
      return streams.find(({ name }: { name: string }) => name === stream)?.config;
    };
    await until("the first server has it", async () => await config() !== undefined);
    const { num_replicas, storage } = await config();
    deepStrictEqual({ num_replicas, storage }, { num_replicas: 3, storage: "file" });
  } finally {
    await Promise.all(started.map((server) => server.stop()));
  }
});
