// A way to a server on which single requests, or their answers, are lost, and on which messages are counted.

import { Buffer } from "node:buffer";
import { connect as dial, createServer, type Socket } from "node:net";
import { freePorts, type NatsServer } from "../../tools/nats_server.ts";

/** A way that loses what it is told to. */
export interface LossyWay extends AsyncDisposable {
  readonly url: string;
  /** Loses the next request, or its answer, on a subject that begins with `prefix`. */
  lose(what: "request" | "answer", prefix: string): void;
  /** What was lost, as `"request $KV.b.key"`. */
  readonly lost: readonly string[];
  /** How many messages have come from the server. */
  readonly messages: number;
}

/** A piece of what NATS's protocol says: a line, with what follows it. */
interface Frame {
  readonly words: readonly string[];
  readonly bytes: Buffer;
}

/** Cuts a stream of bytes into frames. */
class Frames {
  #rest: Buffer = Buffer.alloc(0);

  *take(chunk: Buffer): Generator<Frame> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const end = this.#rest.indexOf("\r\n");
      if (end < 0) return;
      const words = this.#rest.toString("latin1", 0, end).split(" ");
      const hasBody = ["PUB", "HPUB", "MSG", "HMSG"].includes(words[0]!.toUpperCase());
      const size = end + 2 + (hasBody ? Number(words.at(-1)) + 2 : 0);
      if (this.#rest.length < size) return;
      yield { words, bytes: this.#rest.subarray(0, size) };
      this.#rest = this.#rest.subarray(size);
    }
  }
}

/** Opens a way to `server`. */
export async function lossyWay(server: NatsServer): Promise<LossyWay> {
  const [port] = await freePorts(1);
  const open = new Set<Socket>();
  const lost: string[] = [];
  const orders: { readonly what: "request" | "answer"; readonly prefix: string }[] = [];
  /** The subjects of answers that are lost, and to what they are the answers. */
  const unanswered = new Map<string, string>();
  let messages = 0;
  const isKept = ({ words: [verb = "", subject = "", reply = ""] }: Frame): boolean => {
    if (verb === "MSG" || verb === "HMSG") {
      messages++;
      const request = unanswered.get(subject);
      if (request !== undefined) lost.push(`answer ${request}`);
      return !unanswered.delete(subject);
    }
    if (!verb.endsWith("PUB")) return true;
    const at = orders.findIndex(({ prefix }) => subject.startsWith(prefix));
    const [order] = at < 0 ? [] : orders.splice(at, 1);
    if (order?.what === "answer") unanswered.set(reply, subject);
    if (order?.what === "request") lost.push(`request ${subject}`);
    return order?.what !== "request";
  };
  const pipe = (from: Socket, to: Socket): void => {
    const frames = new Frames();
    open.add(from);
    from.on("data", (chunk) => {
      for (const frame of frames.take(chunk)) if (isKept(frame)) to.write(frame.bytes);
    }).on("error", () => {}).on("close", () => {
      open.delete(from);
      to.destroy();
    });
  };
  const listener = createServer((near) => {
    const far = dial({ port: server.port, host: "127.0.0.1" });
    pipe(near, far);
    pipe(far, near);
  });
  await new Promise<void>((resolve, reject) =>
    listener.once("error", reject).listen(port, "127.0.0.1", resolve)
  );
  return {
    url: `nats://127.0.0.1:${port}`,
    lose: (what, prefix) => void orders.push({ what, prefix }),
    lost,
    get messages() {
      return messages;
    },
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
