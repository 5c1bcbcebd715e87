/** gRPC callouts, unary and streams, to an upstream that speaks HTTP/2. */
import {
  answerPart,
  type CaseGroup,
  type DifferentialCase,
  GET,
  QUIET,
  RESPONSE,
  type StreamPart,
  send,
  UPSTREAM_CLOSES,
  UPSTREAM_REQUEST,
} from "../case.ts";
import { EDGE, OUTSIDE, type Step, variable } from "../program.ts";
import {
  asking,
  call,
  forwarded,
  grpc,
  ID,
  KEEP_ID,
  METADATA,
  message,
  OK,
  service,
  status,
} from "./grpc-parts.ts";
import { GRPC_STREAMS } from "./grpc-streams.ts";

/** A unary call whose service answers with these parts, and the request goes on. */
const unary = (name: string, shows: string, ...parts: readonly StreamPart[]): DifferentialCase =>
  grpc(`call-${name}`, shows, asking([call()]), [
    send(GET),
    UPSTREAM_REQUEST,
    ...parts.map(answerPart),
    ...forwarded,
  ]);

const misuse = (name: string, shows: string, steps: readonly Step[]): DifferentialCase =>
  grpc(name, shows, asking(steps), [send(GET), QUIET]);

const CALLS: readonly DifferentialCase[] = [
  unary("answered", "a unary call is answered", {
    head: [...OK, ["x-init-bin", "AAH/"]],
    data: message("world"),
    trailers: status("0"),
  }),
  unary("empty-message", "a message without a byte", {
    head: OK,
    data: message(""),
    trailers: status("0"),
  }),
  unary("fails", "the service's status and message", {
    head: OK,
    trailers: status("7", "not you: 100 %25 sure"),
  }),
  unary("trailers-only", "a status without anything else", {
    head: [...OK, ...status("5", "gone")],
    end: true,
  }),
  unary("no-message", "success without a message", { head: OK, trailers: status("0") }),
  unary("message-and-status", "a message, and a status that is none of success", {
    head: OK,
    data: message("half"),
    trailers: status("13"),
  }),
  unary("no-status", "trailers without a status", {
    head: OK,
    data: message("x"),
    trailers: [["x-tail", "t"]],
  }),
  unary("no-trailers", "a message without trailers", { head: OK, data: message("x"), end: true }),
  ...[400, 401, 403, 404, 429, 500, 503].map((code) =>
    unary(`http-${code}`, `HTTP ${code} instead of a service's answer`, {
      head: [[":status", String(code)]],
      end: true,
    }),
  ),
  unary("type", "an answer that is no gRPC", {
    head: [
      [":status", "200"],
      ["content-type", "text/html"],
    ],
    data: "<html>",
  }),
  unary("flag", "a message with an unknown flag", {
    head: OK,
    data: message("x", 7),
  }),
  ...[2, 7, 8].map((code) =>
    unary(`reset-${code}`, `the service resets (${code})`, { reset: code }),
  ),
  unary("reset-later", "the service resets behind its headers", { head: OK }, { reset: 2 }),
  grpc("call-goaway", "the service says that it goes, and answers", asking([call()]), [
    send(GET),
    UPSTREAM_REQUEST,
    UPSTREAM_CLOSES,
    answerPart({ head: OK, data: message("last"), trailers: status("0") }),
    ...forwarded,
  ]),
  grpc("call-refused", "a cluster that nobody serves", asking([call("h2-dead")]), [
    send(GET),
    ...forwarded,
  ]),
  grpc("call-timeout", "a call that is not answered in time", asking([call("h2", "x", 50)]), [
    send(GET),
    UPSTREAM_REQUEST,
    ...forwarded,
  ]),
  grpc(
    "call-cancelled",
    "a call is cancelled at once",
    asking([
      call(),
      KEEP_ID,
      ["proxy_grpc_cancel", ID],
      ["proxy_grpc_cancel", ID],
      ["proxy_grpc_send", ID, "x", 1],
    ]),
    [send(GET), QUIET],
  ),
  grpc(
    "call-closed",
    "a call is closed at once",
    asking([call(), KEEP_ID, ["proxy_grpc_close", ID], ["proxy_grpc_close", ID]]),
    [send(GET), QUIET],
  ),
  grpc(
    "call-replies",
    "a call's answer decides for a local reply",
    asking([call()], {
      proxy_on_grpc_receive: {
        steps: [
          ["proxy_set_effective_context", variable(0)],
          ["proxy_send_local_response", 403, "denied", "no", "", -1],
        ],
      },
    }),
    [
      send(GET),
      UPSTREAM_REQUEST,
      answerPart({ head: OK, data: message("deny"), trailers: status("0") }),
      RESPONSE,
    ],
  ),
  misuse("call-unknown-cluster", "a call to a cluster that there is not", [
    call("no such cluster"),
  ]),
  misuse("call-garbage", "a call to what is no GrpcService", [
    ["proxy_grpc_call", "garbage", "t.Echo", "Unary", METADATA, "m", 100],
    ["proxy_grpc_stream", "garbage", "t.Echo", "Bidi", METADATA],
  ]),
  misuse("call-nowhere", "a call to a GrpcService without a target", [
    ["proxy_grpc_call", "", "t.Echo", "Unary", METADATA, "m", 100],
  ]),
  misuse("call-bad-memory", "parts outside the memory", [
    ["proxy_grpc_call", OUTSIDE, "t.Echo", "Unary", METADATA, "m", 100],
    ["proxy_grpc_call", service("h2"), OUTSIDE, "Unary", METADATA, "m", 100],
    ["proxy_grpc_call", service("h2"), "t.Echo", OUTSIDE, METADATA, "m", 100],
    ["proxy_grpc_call", service("h2"), "t.Echo", "Unary", OUTSIDE, "m", 100],
    ["proxy_grpc_call", service("h2"), "t.Echo", "Unary", METADATA, OUTSIDE, 100],
    ["proxy_grpc_stream", OUTSIDE, "t.Echo", "Bidi", METADATA],
    ["proxy_get_status", { outs: [EDGE, 128, 136] }],
  ]),
  misuse("ids", "ids that were never given out", [
    ["proxy_grpc_send", 0, "x", 0],
    ["proxy_grpc_send", 5, "x", 0],
    ["proxy_grpc_send", 6, "x", 0],
    ["proxy_grpc_send", 0xffffffff, "x", 0],
    ["proxy_grpc_cancel", 0],
    ["proxy_grpc_cancel", 5],
    ["proxy_grpc_cancel", 6],
    ["proxy_grpc_cancel", 0xffffffff],
    ["proxy_grpc_close", 0],
    ["proxy_grpc_close", 5],
    ["proxy_grpc_close", 6],
    ["proxy_grpc_close", 0xffffffff],
    ["proxy_get_status"],
  ]),
];

export const GRPC_CASES: CaseGroup = { name: "grpc", cases: [...CALLS, ...GRPC_STREAMS] };
