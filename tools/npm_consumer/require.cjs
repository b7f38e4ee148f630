// A program that is no ES module.

const { connect, createClient, createService, rpc } = require("@aegis/sdk");

async function main() {
  const bus = await connect({ servers: "memory:" });
  const greet = rpc("greet", () => ({ text: "Hello" }));
  const service = createService("greeter", { bus, handlers: [greet] });
  await service.start();
  const { text } = await createClient({ bus }).call("greeter", "greet");
  if (text !== "Hello") throw new Error(text);
  await service.stop();
  await bus.close();
  console.log("the package works");
}

main();
