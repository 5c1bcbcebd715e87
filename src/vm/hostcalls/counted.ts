/**
 * Counts the calls of hostcalls for the plugin that the guest acts for. Each wrapper takes as many
 * parameters as its body: the engine calls out of Wasm faster where the numbers are equal, and rest
 * parameters would make an array of each call.
 * @hot per-hostcall
 */
import type { CurrentCall } from "../current-call.ts";

type P = number | bigint;
export type HostcallBody = (...wire: P[]) => number;
type Wrap = (call: CurrentCall, index: number, body: HostcallBody) => (...wire: never[]) => number;

function count(call: CurrentCall, index: number): void {
  const { hostcalls } = call;
  hostcalls[index] = (hostcalls[index] as number) + 1;
}

/** By number of parameters. */
const WRAPS: readonly Wrap[] = [
  (call, index, body) => () => {
    count(call, index);
    return body();
  },
  (call, index, body) => (a: P) => {
    count(call, index);
    return body(a);
  },
  (call, index, body) => (a: P, b: P) => {
    count(call, index);
    return body(a, b);
  },
  (call, index, body) => (a: P, b: P, c: P) => {
    count(call, index);
    return body(a, b, c);
  },
  (call, index, body) => (a: P, b: P, c: P, d: P) => {
    count(call, index);
    return body(a, b, c, d);
  },
  (call, index, body) => (a: P, b: P, c: P, d: P, e: P) => {
    count(call, index);
    return body(a, b, c, d, e);
  },
  (call, index, body) => (a: P, b: P, c: P, d: P, e: P, f: P) => {
    count(call, index);
    return body(a, b, c, d, e, f);
  },
  (call, index, body) => (a: P, b: P, c: P, d: P, e: P, f: P, g: P) => {
    count(call, index);
    return body(a, b, c, d, e, f, g);
  },
  (call, index, body) => (a: P, b: P, c: P, d: P, e: P, f: P, g: P, h: P) => {
    count(call, index);
    return body(a, b, c, d, e, f, g, h);
  },
  (call, index, body) => (a: P, b: P, c: P, d: P, e: P, f: P, g: P, h: P, i: P) => {
    count(call, index);
    return body(a, b, c, d, e, f, g, h, i);
  },
  (call, index, body) => (a: P, b: P, c: P, d: P, e: P, f: P, g: P, h: P, i: P, j: P) => {
    count(call, index);
    return body(a, b, c, d, e, f, g, h, i, j);
  },
  (call, index, body) => (a: P, b: P, c: P, d: P, e: P, f: P, g: P, h: P, i: P, j: P, k: P) => {
    count(call, index);
    return body(a, b, c, d, e, f, g, h, i, j, k);
  },
  (call, index, body) =>
    (a: P, b: P, c: P, d: P, e: P, f: P, g: P, h: P, i: P, j: P, k: P, l: P) => {
      count(call, index);
      return body(a, b, c, d, e, f, g, h, i, j, k, l);
    },
];

/** `body`, counted under `index` of the hostcall table. */
export function counted(
  call: CurrentCall,
  index: number,
  body: HostcallBody,
): (...wire: never[]) => number {
  const wrap = WRAPS[body.length] as Wrap;
  return wrap(call, index, body);
}
