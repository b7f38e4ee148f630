// The page of examples/browser in a Chromium: two guests, one board. `deno task test:browser` gets the browser.

import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { findChromium } from "../../tools/chromium.ts";
import { freePorts } from "../../tools/nats_server.ts";
import { startWebSocketServer } from "../../tools/nats_websocket.ts";
import { until } from "../nats/outage_tools.ts";

const SERVE = fileURLToPath(new URL("../../examples/browser/serve.ts", import.meta.url));

const onDeno = "Deno" in globalThis;
const chromium = onDeno ? await findChromium() : undefined;
const skip = !onDeno
  ? "on Deno only: examples import the package by its name in deno.json"
  : chromium === undefined
  ? "there is no browser here; deno task test:browser gets one"
  : false;

interface Served extends AsyncDisposable {
  /** Where the page is, with the server that it speaks to. */
  readonly url: string;
}

/** Starts the program that serves the page, and ends it as Ctrl-C does. */
async function serve(): Promise<Served> {
  const [nats] = await freePorts(1);
  const args = ["run", "-A", "--no-check", SERVE, "--port", "0", "--nats", `${nats}`];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  const ended = new Promise((resolve) => child.once("close", resolve));
  const found = () => /The page is at (\S+)/.exec(output)?.[1];
  await until("the page is served", () => found() !== undefined, 60_000).catch((cause) => {
    child.kill("SIGKILL");
    throw new Error(output, { cause });
  });
  return {
    url: found()!,
    async [Symbol.asyncDispose]() {
      process.kill(child.pid!, "SIGINT");
      await ended;
    },
  };
}

async function launch(): Promise<Browser> {
  const { chromium: driver } = await import("playwright-core");
  const { bin, env } = chromium!;
  return await driver.launch({
    executablePath: bin,
    args: ["--no-sandbox"], // which root cannot have
    env: { ...process.env as Record<string, string>, ...env },
  });
}

/** Waits for what an element says. */
async function says(page: Page, selector: string, text: RegExp): Promise<string> {
  let found = "";
  await until(`${selector} says ${text}`, async () => {
    found = (await page.locator(selector).allTextContents()).join("\n");
    return text.test(found);
  }, 20_000).catch((cause) => {
    throw new Error(`${selector} says "${found}"`, { cause });
  });
  return found;
}

/** Keeps what the bar of the first order shows. */
const NOTE_STEPS = `
  globalThis.steps = [];
  new MutationObserver(() => steps.push(document.querySelector("progress").value))
    .observe(document.getElementById("orders"), { subtree: true, childList: true, attributes: true });
`;

async function order(page: Page, guest: string, drink: string): Promise<void> {
  await page.fill("#guest", guest);
  await page.selectOption("#drink", drink);
  await page.click("#order");
}

test("a page calls, follows and cancels commands, and sees what others do", { skip }, async () => {
  await using served = await serve();
  const browser = await launch();
  try {
    const [ada, grace] = await Promise.all([browser.newPage(), browser.newPage()]);
    const faults: string[] = [];
    for (const page of [ada, grace]) page.on("pageerror", ({ message }) => faults.push(message));
    await Promise.all([ada.goto(served.url), grace.goto(served.url)]);
    await says(ada, "#server", /nats-server 2\./);
    await ada.selectOption("#drink", "mocha");
    await ada.click("#ask");
    await says(ada, "#answer", /^mocha: 4\.10 €, says cafe-[0-9a-f]+ after \d+\.\d ms$/);
    await ada.selectOption("#drink", "tea");
    await ada.click("#ask");
    await says(ada, "#answer.error", /^There is no tea here$/);

    await ada.evaluate(NOTE_STEPS);
    await order(ada, "Ada", "mocha");
    await says(grace, "#board .brewing", /^Adamocha, brewing$/);
    await order(grace, "Grace", "espresso");
    await grace.click("text=Cancel");
    await says(grace, "#orders", /espresso.*cancelled/);
    await says(ada, "#orders", /Here is your mocha for Ada/);
    const steps = await ada.evaluate<number[]>("steps");
    deepStrictEqual(steps, steps.toSorted((a, b) => a - b));
    ok(steps.some((percent) => percent > 0 && percent < 100), `${steps}`);
    strictEqual(steps.at(-1), 100);
    for (const page of [ada, grace]) await says(page, "#board", /^Adamocha, ready$/);
    strictEqual(faults.join(), "");
  } finally {
    await browser.close();
  }
});

test(
  "a page says what to check where nobody listens, and comes back after an outage",
  { skip },
  async () => {
    await using served = await serve();
    const browser = await launch();
    try {
      const page = await browser.newPage();
      const at = async (nats: string) => {
        await page.goto(`${new URL("/", served.url)}?nats=${nats}`);
      };
      const [nobody] = await freePorts(1);
      await at(`ws://127.0.0.1:${nobody}`);
      const told = await says(page, "#answer.error", /no NATS server was reached/);
      match(told, /this runtime does not say why, though the console .* a server listens there/);
      const websocket = `allowed_origins: ["https://shop.example.com"]`;
      await using strict = await startWebSocketServer({ websocket });
      await at(strict.url);
      await says(page, "#answer.error", /its allowed_origins, if it has any, name this page's/);
      await at("nats://127.0.0.1:4222");
      await says(page, "#answer.error", /speaks WebSocket alone/);
      await using server = await startWebSocketServer();
      await at(server.url);
      await says(page, "#status", /^connected$/);
      await server.server.kill();
      await says(page, "#status", /^reconnecting$/);
      await server.server.restart();
      await says(page, "#status", /^connected$/);
    } finally {
      await browser.close();
    }
  },
);
