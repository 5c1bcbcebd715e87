/**
 * The one door to comlink: calls between main and a silo over a MessagePort of their own. A call
 * takes tens of microseconds, so nothing on a request's way goes through here. The package's types
 * need the DOM library, and its ES module build cannot be imported by name, hence `createRequire`.
 */
import { createRequire } from "node:module";
import type { MessagePort } from "node:worker_threads";

interface ComlinkModule {
  expose(target: object, endpoint: unknown): void;
  wrap(endpoint: unknown): unknown;
}
type NodeAdapter = (port: MessagePort) => unknown;

const require = createRequire(import.meta.url);
const comlink = require("comlink") as ComlinkModule;
const adapter = require("comlink/dist/umd/node-adapter.js") as NodeAdapter;

/** `T` as the other thread sees it: every method answers by a promise. */
export type Remote<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R
    ? (...args: A) => Promise<Awaited<R>>
    : never;
};

/** Offers the methods of `target` on `port`. Thread: the one that owns `port`. */
export function exposeOn(port: MessagePort, target: object): void {
  comlink.expose(target, adapter(port));
}

/**
 * Methods of the object that the other end of `port` exposes. A call whose other end died never
 * settles: race it with the end of the thread.
 */
export function remoteOf<T>(port: MessagePort): Remote<T> {
  return comlink.wrap(adapter(port)) as Remote<T>;
}
