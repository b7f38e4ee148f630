// Routes: the methods that were called, checked and named once.

import { assertMethodName, assertServiceName, rpcSubject } from "../domain/subject.ts";
import type { Elected } from "./elections.ts";
import { Measures } from "./measures.ts";
import type { Runtime } from "./runtime.ts";

/** Beyond this number all routes are forgotten, so that names from outside cannot fill the memory. */
const MAX_ROUTES = 10_000;

/** A method that is called, checked and named once. */
export interface Route {
  readonly service: string;
  readonly method: string;
  readonly subject: string;
  readonly measures: Measures;
  /** Whether it was ever answered on this bus: then it is there, and after an outage it comes back. */
  answered: boolean;
  /** The instances that have answered when they were called alone; undefined before the first. */
  met: Set<string> | undefined;
  /** What is known of the leaders of the service; undefined before the first call. */
  elected: Elected | undefined;
}

/** Routes by name, made at the first call of each. */
export class Routes {
  readonly #runtime: Runtime;
  #routes = new Map<string, Map<string, Route>>();
  #size = 0;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** The route to a method. @throws {TypeError} when a name is none. */
  get(service: string, method: string): Route {
    return this.#routes.get(service)?.get(method) ?? this.#add(service, method);
  }

  #add(service: string, method: string): Route {
    assertServiceName(service);
    assertMethodName(method);
    if (this.#size++ >= MAX_ROUTES) {
      this.#routes = new Map();
      this.#size = 1;
    }
    const route: Route = {
      service,
      method,
      subject: rpcSubject(service, method),
      measures: new Measures(this.#runtime, "client", { service, method }),
      answered: false,
      met: undefined,
      elected: undefined,
    };
    const methods = this.#routes.get(service) ?? new Map<string, Route>();
    this.#routes.set(service, methods.set(method, route));
    return route;
  }
}
