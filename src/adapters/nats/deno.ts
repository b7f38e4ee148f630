// Deno's own sockets: the transport that nats.js has for them, and what it leaves unsaid.

import type { ConnectionOptions } from "@nats-io/nats-core";
import { type Dial, UnfitRuntime } from "./connect.ts";

/** What is used of a socket of Deno's. */
export interface DenoSocket {
  /** How many bytes were read; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  /** Ends what waits for it too. */
  close(): void;
}

/** What a program on Deno brings along. */
export interface DenoSockets {
  /** Loads the transport of nats.js. */
  readonly load: () => Promise<{ readonly connect: Dial }>;
  /** Opens a socket of Deno's. */
  readonly open: (address: {
    readonly hostname: string;
    readonly port: number;
  }) => Promise<DenoSocket>;
}

/** The server wants a client certificate. */
class NoClientCertificates extends Error {
  readonly code = "NO_CLIENT_CERTIFICATES";

  constructor(cause: unknown) {
    super("it greets with tls_verify", { cause });
  }
}

/** Connects on Deno's own sockets. A `Dial` of `connectNats()`. */
export function dialDeno({ load, open }: DenoSockets): Dial {
  return async (options, signal) => {
    const { connect } = await load().catch((cause) => {
      const reason = `${cause?.message ?? cause}`.replace(/\.$/, "");
      throw new UnfitRuntime(
        `connect(): @aegis/sdk/deno needs @nats-io/transport-deno, which is for Deno alone, and it cannot be loaded: ${reason}; ` +
          "import connect from @aegis/sdk, which goes without",
        { cause },
      );
    });
    try {
      // Looking names up is for Deno.connect(): whoever does it before needs to be permitted the name server too.
      return await connect({ ...options, resolve: false }, signal);
    } catch (error) {
      // A server that hangs up for want of a client certificate is waited for until the time is over.
      const isLate = (error as Error)?.name === "TimeoutError";
      if (isLate && await wantsCertificate(open, options, signal)) {
        throw new NoClientCertificates(error);
      }
      throw error;
    }
  };
}

/** Whether the server says so as it greets; not if it says nothing. */
async function wantsCertificate(
  open: DenoSockets["open"],
  { servers }: ConnectionOptions,
  signal: AbortSignal,
): Promise<boolean> {
  const { hostname, port } = new URL([servers].flat()[0] ?? "");
  const abort = (): void => socket?.close();
  let socket: DenoSocket | undefined;
  let greeting = "";
  try {
    socket = await open({ hostname: hostname.replace(/^\[|\]$/g, ""), port: Number(port || 4222) });
    if (signal.aborted) {
      socket.close();
      return false;
    }
    signal.addEventListener("abort", abort);
    const bytes = new Uint8Array(16_384);
    const decoder = new TextDecoder();
    while (!greeting.includes("\r\n")) {
      const size = await socket.read(bytes);
      if (size === null) return false;
      greeting += decoder.decode(bytes.subarray(0, size), { stream: true });
    }
  } catch {
    // It is not there, or the time is over. Why it was not reached is told by the first error.
    return false;
  } finally {
    signal.removeEventListener("abort", abort);
    if (!signal.aborted) socket?.close();
  }
  return /"tls_verify":\s*true/.test(greeting);
}
