// What the page does: it calls the café, follows the progress of its orders, and watches the board.

import { AegisError, type Bus, type CommandHandle, connect, createClient } from "@aegis/sdk/edge";
import type { Cafe, Cup } from "./cafe.ts";
import { document, type Element } from "./dom.ts";

const find = (id: string): Element => document.getElementById(id);
/** What is in a field of the form. */
const field = (id: string): string => String(find(id).value);

/** Where the server takes WebSockets: `?nats=wss://nats.example.com`, else on this machine. */
const servers = new URLSearchParams(location.search).get("nats") ?? "ws://localhost:8080";

async function open(): Promise<void> {
  const bus = await connect({ servers, name: "café page" });
  showStatus(bus.status);
  bus.onStatus(showStatus);
  find("server").textContent = `${servers}, nats-server ${bus.server.version}`;
  for (const button of find("counter").querySelectorAll("button")) button.disabled = false;
  const cafe = createClient({ bus }).service<Cafe>("cafe");

  find("ask").onclick = async () => {
    const start = performance.now();
    try {
      const { drink, cents, from } = await cafe.call("price", { drink: field("drink") });
      const ms = (performance.now() - start).toFixed(1);
      say(`${drink}: ${(cents / 100).toFixed(2)} €, says ${from} after ${ms} ms`);
    } catch (error) {
      complain(error);
    }
  };
  find("counter").onsubmit = async (event) => {
    event.preventDefault();
    try {
      const order = { drink: field("drink"), guest: field("guest") };
      await cafe.call("price", { drink: order.drink }); // which says what is not on the menu
      const job = await cafe.send("brew", order);
      say(`Ordered: ${job.id}`);
      await follow(job, order.drink);
    } catch (error) {
      complain(error);
    }
  };
  await watchBoard(bus);
}

/** Shows an order with its progress, from its beginning to its end. */
async function follow(job: CommandHandle<{ cup: string }>, drink: string): Promise<void> {
  const item = element("li", "order");
  const note = element("small");
  const cancel = element("button", "", "Cancel");
  const bar = element("progress");
  bar.max = 100;
  bar.value = 0;
  item.append(element("span", "", `${drink} `), cancel, bar, note);
  find("orders").prepend(item);
  cancel.onclick = () => job.cancel("The guest has left").catch(complain);
  for await (const { percent, status } of job.progress()) {
    bar.value = percent;
    note.textContent = status ?? "";
  }
  try {
    note.textContent = `Here is your ${(await job.result()).cup}`;
  } catch (error) {
    note.textContent = AegisError.is(error, "CANCELLED") ? "cancelled" : String(error);
  }
  cancel.remove();
}

/** Shows what is on the board and whatever becomes of it, for as long as the page is open. */
async function watchBoard(bus: Bus): Promise<void> {
  const board = await bus.kv<Cup>("board");
  const cards = new Map<string, Element>();
  for await (const { key, entry } of board.watch()) {
    const card = element("li", entry?.value.state);
    if (entry === undefined) cards.get(key)?.remove();
    else {
      const { drink, state } = entry.value;
      card.append(element("b", "", key), element("span", "", `${drink}, ${state}`));
      if (cards.has(key)) cards.get(key)!.replaceWith(card);
      else find("board").append(card);
    }
    if (entry === undefined) cards.delete(key);
    else cards.set(key, card);
  }
}

function element(tag: string, className = "", text = ""): Element {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

function showStatus(status: string): void {
  Object.assign(find("status"), { textContent: status, className: `status ${status}` });
}

function say(text: string): void {
  Object.assign(find("answer"), { textContent: text, className: "" });
}

function complain(error: unknown): void {
  const text = AegisError.is(error) ? error.message : String(error);
  Object.assign(find("answer"), { textContent: text, className: "error" });
}

open().catch((error) => {
  showStatus("closed");
  complain(error);
});
