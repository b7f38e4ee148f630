// What is used of `@nats-io/jetstream`, as a module to load later: of CommonJS that a bundler puts into a file of its own
// an import() gets no names.

export { jetstreamManager } from "@nats-io/jetstream";
