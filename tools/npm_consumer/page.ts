// What a page or an edge worker bundles of the package: one entry, and nothing of Node.

import { connect, createClient, createService, rpc } from "@aegis/sdk/edge";

export async function greeting(name: string): Promise<unknown> {
  await using bus = await connect({ servers: "memory:" });
  const greet = rpc("greet", () => ({ text: `Hello, ${name}` }));
  await using service = createService("greeter", { bus, handlers: [greet] });
  await service.start();
  return await createClient({ bus }).call("greeter", "greet");
}
