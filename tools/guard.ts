// Ends what a test process started when that process is gone, however it ended.

import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

/**
 * Test runners leave without an `exit` event, and a killed process has none at all. So a shell reads what is to be
 * watched from a pipe; the pipe's end is the end of this process, and what is still on the list then goes too.
 */
const SCRIPT = `
pids=" "
while read -r operation value; do
  case "$operation" in
    process) pids="$pids$value " ;;
    ended) pids="\${pids%% $value *} \${pids#* $value }" ;;
    folder) set -- "$@" "$value" ;;
  esac
done
for pid in $pids; do kill -9 "$pid"; done
[ $# -eq 0 ] || rm -rf -- "$@"
`;

let guard: ChildProcess | undefined;

function tell(operation: "process" | "ended" | "folder", value: string | number): void {
  if (process.platform === "win32") return;
  if (guard === undefined) {
    guard = spawn("/bin/sh", ["-c", SCRIPT], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true, // so that Ctrl-C, which reaches the whole group, leaves it
    });
    guard.stdin?.on("error", () => {}); // it is gone, and with it the need to tell it
    guard.unref();
  }
  guard.stdin?.write(`${operation} ${value}\n`);
}

const processes = new Set<number>();
if (process.platform === "win32") {
  process.on("exit", () => processes.forEach((pid) => process.kill(pid, "SIGKILL")));
}

/** Puts a process under watch; what is returned takes it off. */
export function watchProcess(pid: number): () => void {
  processes.add(pid);
  tell("process", pid);
  return () => {
    processes.delete(pid);
    tell("ended", pid);
  };
}

/** Puts a folder under watch, to be removed at the end if it still exists. */
export function watchFolder(path: string): void {
  tell("folder", path);
}
