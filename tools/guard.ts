// Ends what a test process started when that process is gone, however it ended.

import { type ChildProcess, spawn, type SpawnOptions } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

/**
 * When the process with a number was started, as Linux tells it; nothing elsewhere. Numbers are given again, also to threads,
 * within minutes where many programs are started: another process must not be ended for one that had its number before. The
 * name of a program, which comes before it, is taken to have no line break.
 */
const STARTED = `
started() {
  read -r stat 2> /dev/null < "/proc/$1/stat" || return
  set -- \${stat##*) }
  echo "\${20}"
}
`;

/**
 * Test runners leave without an `exit` event, and a killed process has none at all. So a shell waits for the end of a pipe,
 * which is the end of this process, and then ends what is still on the list and removes the folders on it.
 *
 * The list is a file, which has a line as soon as it is written: what would go through the pipe may still be waiting in this
 * process when that is killed. Once its folder has another name, nobody can write to it any more.
 */
const SCRIPT = `${STARTED}
while read -r _; do :; done
mv "$1" "$1-over" || exit
processes=" " folder="$1-over"
set --
while read -r operation value; do
  case "$operation" in
    process) processes="$processes$value " ;;
    ended)
      others="\${processes#* $value/}"
      [ "$others" = "$processes" ] || processes="\${processes%% $value/*} \${others#* }" ;;
    folder) set -- "$@" "$value" ;;
  esac
done < "$folder/list"
for process in $processes; do
  pid="\${process%/*}"
  [ "$process" = "$pid/$(started "$pid")" ] && kill -9 "$pid"
done
rm -rf -- "$folder" "$@"
`;

/** Puts the process that runs it on the list, and makes it another one; where the list is closed, it ends. */
const ANNOUNCE = `${STARTED} echo "process $$/$(started $$)" >> "$0" && exec "$@"`;

const isWindows = process.platform === "win32";
let guard: ChildProcess | undefined;
let list = "";

function tell(operation: "process" | "ended" | "folder", value: string | number): void {
  if (isWindows) return;
  begin();
  appendFileSync(list, `${operation} ${value}\n`);
}

function begin(): void {
  if (guard !== undefined) return;
  const folder = mkdtempSync(join(tmpdir(), "guard-"));
  list = join(folder, "list");
  appendFileSync(list, "");
  guard = spawn("/bin/sh", ["-c", SCRIPT, "guard", folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true, // so that Ctrl-C, which reaches the whole group, leaves it
  });
  guard.stdin?.on("error", () => {}); // it is gone, and what it watched is left alone
  guard.unref();
}

const processes = new Set<number>();
if (isWindows) {
  process.on("exit", () => processes.forEach((pid) => process.kill(pid, "SIGKILL")));
}

/**
 * Starts a process that is under watch before it begins, so that it is not left alone however soon this one is killed, and
 * until it has ended.
 */
export function spawnWatched(
  command: string,
  args: readonly string[],
  options: SpawnOptions,
): ChildProcess {
  if (!isWindows) begin();
  const child = isWindows
    ? spawn(command, args, options)
    : spawn("/bin/sh", ["-c", ANNOUNCE, list, command, ...args], options);
  const { pid } = child;
  if (pid === undefined) return child;
  processes.add(pid);
  child.once("exit", () => forget(pid));
  return child;
}

/** Puts a process under watch that was started already, until it has ended. */
export function watchChild(child: ChildProcess): void {
  if (child.pid !== undefined) child.once("exit", watchProcess(child.pid));
}

/** Puts a process under watch that another one has started; what is returned takes it off. */
export function watchProcess(pid: number): () => void {
  processes.add(pid);
  tell("process", `${pid}/${startOf(pid)}`);
  return () => forget(pid);
}

/** The same as `started` of the scripts. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function forget(pid: number): void {
  processes.delete(pid);
  tell("ended", pid);
}

/** Puts a folder under watch, to be removed at the end if it still exists. */
export function watchFolder(path: string): void {
  tell("folder", path);
}
