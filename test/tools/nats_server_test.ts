import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, connect as dial, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect } from "@nats-io/transport-node";
import { jetstreamManager } from "@nats-io/jetstream";
import { clusterReady } from "../../tools/nats_cluster.ts";
import { freePorts, startNatsCluster, startNatsServer } from "../../tools/nats_server.ts";

const TOOL = new URL("../../tools/nats_server.ts", import.meta.url);
const GUARD = new URL("../../tools/guard.ts", import.meta.url);
const BINARY = new URL("../../tools/nats_binary.ts", import.meta.url);

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
    config: `tls {
      cert_file: ${JSON.stringify(join(folder, "cert.pem"))}
      key_file: ${JSON.stringify(join(folder, "key.pem"))}
      handshake_first: true
    }`,
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

test("a process is gone too where the one that started it is killed at once", async () => {
  const folder = await mkdtemp(join(tmpdir(), "orphan-"));
  const [script, said] = [join(folder, "start.ts"), join(folder, "pids")];
  await writeFile(
    script,
    `import { writeFileSync } from "node:fs";
     import { spawnWatched } from ${JSON.stringify(GUARD.href)};
     const pids = [1, 2, 3].map(() => spawnWatched("sleep", ["600"], { stdio: "ignore" }).pid);
     writeFileSync(${JSON.stringify(said)}, pids.join(" "));
     process.kill(process.pid, "SIGKILL");`,
  );
  const args = "Deno" in globalThis ? ["run", "-A", "-q", script] : [script];
  const ended = await new Promise((resolve) =>
    execFile(process.execPath, args, (error) => resolve(error?.signal))
  );
  strictEqual(ended, "SIGKILL");
  const pids = (await readFile(said, "utf8")).split(" ").map(Number);
  strictEqual(pids.length, 3);
  await until("they are gone", () => !pids.some(alive));
  await rm(folder, { recursive: true });
});

test("a process that has ended is watched no longer: another one may have its number", async () => {
  const folder = await mkdtemp(join(tmpdir(), "orphan-"));
  const script = join(folder, "start.ts");
  await writeFile(
    script,
    `import { spawn } from "node:child_process";
     import { once } from "node:events";
     import { appendFileSync, readdirSync } from "node:fs";
     import { spawnWatched, watchChild, watchProcess } from ${JSON.stringify(GUARD.href)};
     const start = () => spawn("sleep", ["600"], { stdio: "ignore", detached: true });
     const [left, later, kept, child] = [start(), start(), start(), start()];
     const forget = watchProcess(left.pid);
     watchProcess(kept.pid);
     watchChild(child);
     const ended = spawn("true", [], { stdio: "ignore" });
     watchChild(ended);
     await once(ended, "exit");
     await once(spawnWatched("true", [], { stdio: "ignore" }), "exit");
     forget();
     const [guard] = readdirSync(process.env.TMPDIR).filter((name) => name.startsWith("guard-"));
     // As where one was started long before, and nobody has seen it end; on Windows there is no list.
     if (guard) {
       const list = process.env.TMPDIR + "/" + guard + "/list";
       appendFileSync(list, "process " + later.pid + "/1\\n");
     }
     console.log(JSON.stringify([left.pid, later.pid, kept.pid, child.pid]));
     process.exit();`,
  );
  const args = "Deno" in globalThis ? ["run", "-A", "-q", script] : [script];
  const env = { ...process.env, TMPDIR: folder };
  const said = await new Promise<string>((resolve, reject) =>
    execFile(
      process.execPath,
      args,
      { env },
      (error, stdout) => error ? reject(error) : resolve(stdout),
    )
  );
  const [left, later, kept, child] = JSON.parse(said) as number[];
  await until("those under watch are gone", () => !alive(kept!) && !alive(child!));
  await until("the guard is over", () => !readdirSync(folder).some((name) => /^guard/.test(name)));
  for (const pid of [left!, later!]) {
    strictEqual(alive(pid), true);
    process.kill(pid, "SIGKILL");
  }
  await rm(folder, { recursive: true });
});

test("a suite that is none is refused by name, wherever it is written", async () => {
  await rejects(startNatsServer({ suite: "toString" as "sid" }), {
    name: "RangeError",
    message: 'Cannot use "toString" as suite: there are bookworm, trixie, sid',
  });
  const program = (env: object, ...suites: readonly string[]) =>
    new Promise<string>((resolve) => {
      const args = "Deno" in globalThis ? ["run", "-A", "-q"] : [];
      execFile(
        process.execPath,
        [...args, fileURLToPath(BINARY), ...suites],
        { env: { ...process.env, ...env } },
        (error, _, stderr) => resolve(`${error?.code}: ${stderr.trim()}`),
      );
    });
  strictEqual(
    await program({}, "sid", "woody"),
    '1: Cannot use "woody" as a suite: there are bookworm, trixie, sid',
  );
  strictEqual(
    await program({ NATS_SERVER_SUITE: "buzz" }),
    '1: Cannot use "buzz" as NATS_SERVER_SUITE: there are bookworm, trixie, sid',
  );
});

test("a cluster is ready when its leader lets a stream be made that all keep, and not before", async () => {
  const asked: string[] = [];
  const refused = { error: { code: 400, description: "no suitable peers for placement" } };
  const broker = createServer((socket) => {
    socket.on("error", () => {});
    socket.write('INFO {"server_id":"x"}\r\n');
    socket.on("data", (data) => {
      const [, verb, inbox] = /PUB \$JS\.API\.STREAM\.(\w+)\.\S+ (\S+) /.exec(String(data)) ?? [];
      if (verb === undefined) return;
      asked.push(verb);
      const body = JSON.stringify(asked.length < 3 ? refused : { success: true });
      // An answer may come in parts.
      socket.write(`MSG ${inbox} 1 ${body.length}\r\n${body.slice(0, 5)}`);
      setTimeout(() => socket.write(`${body.slice(5)}\r\n`), 20);
    });
  });
  const monitor = createHttpServer((request, response) => {
    const leader = { leader: "one", replicas: [{ current: true, offline: false }] };
    const states: Record<string, object> = {
      "/varz": { cluster: {} },
      "/routez": { routes: [{}] },
      "/jsz": { meta_cluster: leader },
    };
    response.end(JSON.stringify(states[request.url!]));
  });
  const [port, http] = await Promise.all([listen(broker), listen(monitor)]);
  const servers = ["one", "two"].map((name) => ({ name, port, log: () => Promise.resolve("") }));
  await clusterReady(servers, [http, http], true);
  deepStrictEqual(asked, ["CREATE", "CREATE", "CREATE", "DELETE"]);
  broker.close();
  monitor.closeAllConnections();
  monitor.close();
});

function listen(server: Server): Promise<number> {
  return new Promise((resolve) =>
    server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port))
  );
}

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
