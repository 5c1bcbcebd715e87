/** What the cases of gRPC callouts share: the calls, what the guest reads, what services answer. */
import {
  answer,
  type DifferentialCase,
  HELLO,
  RESPONSE,
  type ScriptStep,
  single,
  UPSTREAM_REQUEST,
} from "../case.ts";
import {
  type Argument,
  CONTEXT,
  lastResult,
  type Pairs,
  type Program,
  type Step,
  variable,
} from "../program.ts";

/** A GrpcService message: envoy_grpc (1) with a cluster_name (1). */
export function service(cluster: string): string {
  const inner = `\x0a${String.fromCharCode(cluster.length)}${cluster}`;
  return `\x0a${String.fromCharCode(inner.length)}${inner}`;
}

export const METADATA: Pairs = [
  ["x-meta", "m"],
  // Raw bytes, which the protocol carries in base64.
  ["x-meta-bin", "\x00\x01\xff"],
];
export const call = (cluster = "h2", message = "hello", timeoutMs = 5_000): Step => [
  "proxy_grpc_call",
  service(cluster),
  "t.Echo",
  "Unary",
  METADATA,
  message,
  timeoutMs,
];
export const open = (cluster = "h2"): Step => [
  "proxy_grpc_stream",
  service(cluster),
  "t.Echo",
  "Bidi",
  METADATA,
];
export const ID: Argument = variable(1);
export const KEEP_ID: Step = ["save", 1, lastResult(0)];

export const READ: readonly Step[] = [
  ["proxy_get_buffer_bytes", 5, 0, 100],
  ["proxy_get_header_map_pairs", 4],
  ["proxy_get_header_map_pairs", 5],
  ["proxy_get_status"],
];
export const RESUME: readonly Step[] = [
  ["proxy_set_effective_context", variable(0)],
  ["proxy_continue_stream", 0],
];

/** Starts what `steps` say and waits; whatever ends a call lets the request go on. */
export const asking = (steps: readonly Step[], more: Program = {}): Program => ({
  proxy_on_request_headers: { steps: [["save", 0, CONTEXT], ...steps], returns: 1 },
  proxy_on_grpc_receive_initial_metadata: { steps: READ },
  proxy_on_grpc_receive: { steps: [...READ, ...RESUME] },
  proxy_on_grpc_receive_trailing_metadata: { steps: READ },
  proxy_on_grpc_close: { steps: [...READ, ...RESUME] },
  ...more,
});

export const forwarded: readonly ScriptStep[] = [UPSTREAM_REQUEST, answer(HELLO), RESPONSE];
export const message = (text: string, flag = 0): string =>
  `${String.fromCharCode(flag)}\0\0\0${String.fromCharCode(text.length)}${text}`;
export const OK: Pairs = [
  [":status", "200"],
  ["content-type", "application/grpc"],
];
export const status = (code: string, text = ""): Pairs => [
  ["grpc-status", code],
  ...(text === "" ? [] : ([["grpc-message", text]] as const)),
  ["x-tail", "t"],
];

export const grpc = (
  name: string,
  shows: string,
  program: Program,
  script: readonly ScriptStep[],
): DifferentialCase => single(`grpc-${name}`, shows, program, { script });
