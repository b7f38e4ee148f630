// Signals of the operating system that ask a program to stop.

interface SignalProcess {
  on(signal: string, listener: () => void): void;
  off(signal: string, listener: () => void): void;
}

/** Calls `listener` at SIGINT and SIGTERM; what it returns ends that. Where there are no signals, as at the edge, it does nothing. */
export function onShutdown(listener: (signal: "SIGINT" | "SIGTERM") => void): () => void {
  const { process } = globalThis as unknown as { process?: SignalProcess };
  if (typeof process?.on !== "function") return () => {};
  const interrupt = (): void => listener("SIGINT");
  const terminate = (): void => listener("SIGTERM");
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", terminate);
  return () => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", terminate);
  };
}
