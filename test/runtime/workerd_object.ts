// The Durable Object of the examples, which a test can count the alarms of, and end as a crash does.

import { Visits as Example } from "../../examples/18_durable_object.ts";

export { default } from "../../examples/17_worker.ts";

type State = ConstructorParameters<typeof Example>[0] & { abort(reason: string): never };

export class Visits extends Example {
  readonly #state: State;
  #alarms = 0;

  constructor(state: State, env: ConstructorParameters<typeof Example>[1]) {
    super(state, env);
    this.#state = state;
  }

  override async fetch(request: Request): Promise<Response> {
    const { search } = new URL(request.url);
    if (search === "?alarms") return new Response(String(this.#alarms));
    if (search === "?abort") this.#state.abort("The test has ended this object");
    return await super.fetch(request);
  }

  override async alarm(): Promise<void> {
    this.#alarms++;
    await super.alarm();
  }
}
