// Turns: when what runs on microtasks alone must let timers and sockets have theirs.

/** How long microtasks may follow one another before something else has its turn, in milliseconds. */
const TURN_MS = 1;

/** What runtimes may have. A browser has no `setImmediate`, and an edge runtime perhaps neither. */
interface Globals {
  readonly setImmediate?: (callback: () => void) => unknown;
  readonly MessageChannel?: new () => {
    readonly port1: { onmessage: unknown; close(): void };
    readonly port2: { postMessage(message: unknown): void };
  };
}

/** Runs `callback` after what else waits for its turn; `setTimeout` alone would wait for some milliseconds. */
function afterOthers(callback: () => void): void {
  const { setImmediate, MessageChannel } = globalThis as unknown as Globals;
  if (setImmediate !== undefined) setImmediate(callback);
  else if (MessageChannel !== undefined) {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      // An open port would keep the process.
      port1.close();
      callback();
    };
    port2.postMessage(undefined);
  } else setTimeout(callback, 0);
}

/** Runs one task at a time on a microtask, as long as the turn is young, and otherwise at the beginning of the next. */
export class Turn {
  readonly #task: () => void;
  #open = false;
  #waiting = false;
  #endsAt = 0;

  /** Makes the turns of `task`. */
  constructor(task: () => void) {
    this.#task = task;
  }

  /** Has the task run once; not to be called again before it has. */
  request(): void {
    if (!this.#open) {
      this.#open = true;
      this.#endsAt = performance.now() + TURN_MS;
      afterOthers(() => this.#over());
    }
    queueMicrotask(() => this.#run());
  }

  #run(): void {
    if (this.#open && performance.now() >= this.#endsAt) this.#waiting = true;
    else this.#task();
  }

  #over(): void {
    this.#open = false;
    if (!this.#waiting) return;
    this.#waiting = false;
    this.request();
  }
}
