import { ok, rejects, strictEqual } from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect as dial } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { connect } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { freePorts, startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";

const TOOL = new URL("../../tools/nats_server.ts", import.meta.url);

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false; // ESRCH
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function until(what: string, met: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 5_000; Date.now() < end;) {
    if (await met()) return;
    await pause(20);
  }
  throw new Error(`not within 5 s: ${what}`);
}

test("startNatsServer() gives a server with JetStream, and stop() leaves nothing", async () => {
  const server = await startNatsServer();
  const nc = await connect({ servers: server.url });
  strictEqual(nc.info?.version, server.version);
  strictEqual(nc.info?.jetstream, true);
  await nc.close();
  await server.stop();
  strictEqual(alive(server.pid), false);
  strictEqual(existsSync(server.storeDir), false);
  await rejects(server.restart(), /stopped for good/);
});

test("a server that was killed comes back on its port with its store", async () => {
  await using server = await startNatsServer();
  const before = server.pid;
  const nc = await connect({ servers: server.url });
  const jsm = await jetstreamManager(nc);
  await jsm.streams.add({ name: "kept", subjects: ["kept"] });
  await nc.request("kept", "1"); // the stream answers when it has stored it
  await nc.close();
  await server.kill();
  strictEqual(alive(before), false);
  await server.restart();
  ok(server.pid !== before);
  const again = await connect({ servers: server.url });
  const info = await (await jetstreamManager(again)).streams.info("kept");
  strictEqual(info.state.messages, 1);
  await again.close();
});

test("suspend() freezes a server, resume() lets it go on", async () => {
  await using server = await startNatsServer({ jetstream: false });
  const nc = await connect({ servers: server.url });
  await server.suspend();
  let answered = false;
  const flushed = nc.flush().then(() => {
    answered = true;
  });
  await pause(200);
  strictEqual(answered, false);
  server.resume();
  await flushed;
  await nc.close();
});

test("stop() ends a frozen server too", async () => {
  const server = await startNatsServer({ jetstream: false });
  await server.suspend();
  await server.stop();
  strictEqual(alive(server.pid), false);
});

test("a server that ended by itself can be stopped and restarted", async () => {
  await using server = await startNatsServer({ jetstream: false });
  process.kill(server.pid, "SIGKILL");
  await until("it is gone", () => !alive(server.pid));
  await server.restart();
  process.kill(server.pid, "SIGKILL");
  await server.stop();
});

test("config adds to the server's configuration", async () => {
  await using server = await startNatsServer({ config: `authorization { token: "secret" }` });
  await rejects(connect({ servers: server.url, reconnect: false }), /authorization/i);
  const nc = await connect({ servers: server.url, token: "secret" });
  await nc.close();
});

test("a server that wants TLS first counts as started", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tls-"));
  await certificate(folder);
  await using server = await startNatsServer({
    suite: "sid",
    config:
      `tls { cert_file: "${folder}/cert.pem", key_file: "${folder}/key.pem", handshake_first: true }`,
  });
  const tls = { caFile: join(folder, "cert.pem"), handshakeFirst: true };
  const nc = await connect({ servers: server.url, tls });
  await nc.close();
  await rm(folder, { recursive: true });
});

function certificate(folder: string): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile("openssl", [
      ...["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"],
      ...["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"],
      ...["-keyout", join(folder, "key.pem"), "-out", join(folder, "cert.pem")],
    ], (error) => error ? reject(error) : resolve());
  });
}

test("storeDir is kept by stop()", async () => {
  const storeDir = await mkdtemp(join(tmpdir(), "store-"));
  const server = await startNatsServer({ storeDir });
  await server.stop();
  strictEqual(existsSync(storeDir), true);
  await rm(storeDir, { recursive: true });
});

test("a server that cannot start says why, with its log", async () => {
  await rejects(startNatsServer({ config: "no_such_option: 1" }), /no_such_option/);
});

test("a port that is taken is refused when it was asked for by number", async () => {
  await using server = await startNatsServer({ jetstream: false });
  await rejects(startNatsServer({ port: server.port }), /address already in use/);
});

test("freePorts() gives different ports that nobody listens on", async () => {
  const ports = await freePorts(20);
  strictEqual(new Set(ports).size, 20);
  for (const port of ports) {
    await rejects(
      new Promise((resolve, reject) => {
        const socket = dial({ port, host: "127.0.0.1" }, () => resolve(socket.destroy()));
        socket.once("error", reject);
      }),
    );
  }
});

test("servers and their stores are gone when the process that started them was killed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "orphan-"));
  const script = join(folder, "start.ts");
  await writeFile(
    script,
    `import { startNatsServer } from ${JSON.stringify(TOOL.href)};
     const server = await startNatsServer();
     console.log(JSON.stringify([server.pid, server.storeDir]));
     setInterval(() => {}, 1000);`,
  );
  const args = "Deno" in globalThis ? ["run", "-A", script] : [script];
  const child = execFile(process.execPath, args);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.once("data", (data) => resolve(String(data)));
    child.stderr?.once("data", (data) => reject(new Error(String(data))));
  });
  const [pid, storeDir] = JSON.parse(line) as [number, string];
  strictEqual(alive(pid), true);
  child.kill("SIGKILL");
  await until("the server is gone", () => !alive(pid));
  await until("its store is gone", () => !existsSync(storeDir));
  await rm(folder, { recursive: true });
});

test("startNatsCluster() gives three servers on which a replicated stream can be made", async () => {
  await using cluster = await startNatsCluster();
  strictEqual(cluster.servers.length, 3);
  const nc = await connect({ servers: [...cluster.urls] });
  const jsm = await jetstreamManager(nc);
  const info = await jsm.streams.add({ name: "three", subjects: ["three"], num_replicas: 3 });
  strictEqual(info.cluster?.replicas?.length, 2);
  await nc.close();
  await cluster.servers[0]?.kill();
  await cluster.servers[0]?.restart();
  await cluster.ready();
});
