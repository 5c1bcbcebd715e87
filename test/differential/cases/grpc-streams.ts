/** gRPC streams that filters open. */
import {
  answerPart,
  type DifferentialCase,
  GET,
  logged,
  QUIET,
  type ScriptStep,
  send,
  UPSTREAM_HEAD,
  UPSTREAM_REQUEST,
  upstreamBody,
} from "../case.ts";
import { OUTSIDE, type Program, type Step } from "../program.ts";
import {
  asking,
  forwarded,
  grpc,
  ID,
  KEEP_ID,
  message,
  OK,
  open,
  READ,
  status,
} from "./grpc-parts.ts";

interface StreamCase {
  /** What the guest does when it has opened the stream. */
  readonly steps?: readonly Step[];
  readonly script: readonly ScriptStep[];
  readonly more?: Program;
}

const stream = (
  name: string,
  shows: string,
  { steps = [], script, more = {} }: StreamCase,
): DifferentialCase =>
  grpc(`stream-${name}`, shows, asking([open(), KEEP_ID, ...steps], more), script);

const sent = (text: string, end: 0 | 1 = 0): Step => ["proxy_grpc_send", ID, text, end];
/** Messages are read; only the end of the stream lets the request go on. */
const READING: Program = { proxy_on_grpc_receive: { steps: READ } };
const whole: readonly ScriptStep[] = [send(GET), UPSTREAM_REQUEST];
/** The message "one" has arrived, the guest's side is open. */
const begun: readonly ScriptStep[] = [send(GET), UPSTREAM_HEAD, upstreamBody(8)];
/** The stream's own request may never be whole: the forwarded one is known by its head. */
const afterOpen: readonly ScriptStep[] = [UPSTREAM_HEAD, ...forwarded.slice(1)];
const A = { head: OK, data: message("a") };

export const GRPC_STREAMS: readonly DifferentialCase[] = [
  stream("message", "the first message lets the request go on", {
    steps: [sent("one"), sent("two", 1)],
    script: [
      ...whole,
      answerPart({ head: [...OK, ["x-init", "i"]] }),
      QUIET,
      answerPart({ data: message("a") }),
      ...forwarded,
    ],
  }),
  stream("ended", "messages, trailers and the status", {
    steps: [sent("one", 1)],
    script: [
      ...whole,
      answerPart({
        head: [...OK, ["x-init-bin", "AAH/"]],
        data: message("a") + message("b"),
        trailers: [...status("0"), ["x-tail-bin", "AAH/"]],
      }),
      ...forwarded,
    ],
    more: READING,
  }),
  stream("fails", "a stream ends with a status", {
    steps: [sent("one")],
    script: [...begun, answerPart({ ...A, trailers: status("9", "no more") }), ...afterOpen],
    more: READING,
  }),
  stream("trailers-only", "a stream ends at once", {
    script: [
      send(GET),
      UPSTREAM_HEAD,
      answerPart({ head: [...OK, ...status("12")], end: true }),
      ...afterOpen,
    ],
  }),
  stream("no-status", "a stream ends without a status", {
    steps: [sent("one", 1)],
    script: [...whole, answerPart({ ...A, end: true }), ...forwarded],
    more: READING,
  }),
  ...[2, 7, 8].map((code) =>
    stream(`reset-${code}`, `the service resets the stream (${code})`, {
      steps: [sent("one")],
      script: [...begun, answerPart({ reset: code }), ...afterOpen],
    }),
  ),
  stream("reset-begun", "the service resets when it has begun to answer", {
    steps: [sent("one")],
    script: [...begun, answerPart(A), QUIET, answerPart({ reset: 2 }), ...afterOpen],
    more: READING,
  }),
  stream("http-503", "HTTP 503 instead of a stream", {
    steps: [sent("one")],
    script: [...begun, answerPart({ head: [[":status", "503"]], end: true }), ...afterOpen],
  }),
  stream("cancelled", "the guest cancels a stream at its first message", {
    steps: [sent("one")],
    script: [...begun, answerPart(A), logged("grpc_cancel"), QUIET],
    more: {
      proxy_on_grpc_receive: {
        steps: [["proxy_grpc_cancel", ID], sent("late"), ["proxy_grpc_close", ID]],
      },
    },
  }),
  stream("closed", "the guest ends its side at the first message", {
    steps: [sent("one")],
    script: [
      ...begun,
      answerPart(A),
      logged("grpc_close"),
      QUIET,
      answerPart({ trailers: status("0") }),
      ...afterOpen,
    ],
    more: {
      proxy_on_grpc_receive: {
        steps: [["proxy_grpc_close", ID], sent("late"), ["proxy_grpc_close", ID]],
      },
    },
  }),
  stream("empty-messages", "messages without a byte", {
    steps: [sent(""), sent("", 1)],
    script: [
      ...whole,
      answerPart({ head: OK, data: message(""), trailers: status("0") }),
      ...forwarded,
    ],
    more: READING,
  }),
  stream("send-misuse", "messages outside the memory, and behind the end", {
    steps: [["proxy_grpc_send", ID, OUTSIDE, 0], sent("one", 1), sent("two", 1)],
    script: [...whole, answerPart({ head: OK, trailers: status("0") }), ...forwarded],
  }),
];
