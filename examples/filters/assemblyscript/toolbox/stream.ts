// One request and its response: what the case in `x-test` does in each callback.
import {
  BufferTypeValues,
  Context,
  FilterDataStatusValues,
  FilterHeadersStatusValues,
  LogLevelValues,
  WasmResultValues,
  dequeue_shared_queue,
  enqueue_shared_queue,
  get_buffer_bytes,
  get_current_time_nanoseconds,
  get_shared_data,
  log,
  makeHeaderPair,
  proxy_set_effective_context,
  register_shared_queue,
  resolve_shared_queue,
  set_buffer_bytes,
  set_property,
  set_shared_data,
  stream_context,
} from "@gcoredev/proxy-wasm-sdk-as/assembly";
import { setLogLevel } from "@gcoredev/proxy-wasm-sdk-as/assembly/fastedge";
import { Kind, OF_REQUEST, OF_RESPONSE, Row, read } from "./properties";
import { ToolboxRoot } from "./root";
import { Wake, must, reply } from "./wake";

const UNKNOWN_CONTEXT: u32 = 0x7fffffff;
// Beyond the end of any body: the host appends.
const END: u32 = 0x7fffffff;

const PASS = FilterHeadersStatusValues.Continue;
const STOP = FilterHeadersStatusValues.StopIteration;

class Finding {
  constructor(
    public name: string,
    public value: string,
  ) {}
}

export class ToolboxStream extends Context {
  root: ToolboxRoot;
  name: string = "";
  // Headers that the response gets, found out while the request went by.
  findings: Finding[] = [];
  requestBodyBegun: bool = false;
  responseBodyBegun: bool = false;

  constructor(context_id: u32, root: ToolboxRoot) {
    super(context_id, root);
    this.root = root;
  }

  private found(name: string, value: string): void {
    this.findings.push(new Finding(name, value));
  }

  private wait(reason: Wake): FilterHeadersStatusValues {
    this.root.wait(this.context_id, reason);
    return STOP;
  }

  onRequestHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.request;
    const name = headers.get("x-test");
    this.name = name;
    must(this.root.requests.increment(1));
    if (name == "request-headers") {
      headers.add("x-added", "one");
      headers.add("x-added", "two");
      headers.replace("x-replace", "new");
      headers.replace("x-replace-absent", "set");
      headers.remove("x-remove");
    } else if (name == "request-line") {
      headers.replace(":path", "/rewritten?by=toolbox");
      headers.replace(":authority", "rewritten.example");
      headers.replace(":method", "PUT");
    } else if (name.startsWith("request-body")) {
      headers.remove("content-length");
    } else if (name == "request-pairs") {
      this.replaceRequestPairs(count);
    } else if (name == "reply-request-headers") {
      reply("request-headers");
      return STOP;
    } else if (name == "reply-tick") {
      return this.wait(Wake.Reply);
    } else if (name == "pause-tick") {
      return this.wait(Wake.RequestHeaders);
    } else if (name == "panic-tick") {
      return this.wait(Wake.Trap);
    } else if (name == "panic-request-headers") {
      throw new Error("toolbox: trap in request headers");
    } else {
      this.inspect(name);
    }
    return PASS;
  }

  // The cases that only look, and answer in response headers.
  private inspect(name: string): void {
    if (name == "properties") {
      this.readProperties(OF_REQUEST);
    } else if (name == "config") {
      this.found("x-config", this.root.getConfiguration());
      this.found("x-vm-config", this.root.vmConfiguration);
    } else if (name == "metrics") {
      this.useMetrics();
    } else if (name == "set-property") {
      must(set_property("x", String.UTF8.encode("kept for the response")));
    } else if (name == "shared-data") {
      this.useSharedData();
    } else if (name == "queue") {
      this.useQueue();
    } else if (name == "effective-context") {
      this.switchContext();
    } else if (name == "time") {
      const seconds = get_current_time_nanoseconds() / 1_000_000_000;
      this.found("x-year-2020-or-later", seconds > 1577836800 ? "true" : "false");
    } else if (name == "log-levels") {
      this.logAllLevels();
    }
  }

  private replaceRequestPairs(count: u32): void {
    const pairs = stream_context.headers.request.get_headers();
    this.found("x-pairs", pairs.length == <i32>count ? "true" : "false");
    const kept = pairs.slice(0, 0);
    for (let i = 0; i < pairs.length; i++) {
      if (String.UTF8.decode(pairs[i].key) != "x-remove") kept.push(pairs[i]);
    }
    kept.push(makeHeaderPair("x-added", "by-pairs"));
    stream_context.headers.request.set_headers(kept);
  }

  private readProperties(rows: Row[]): void {
    for (let i = 0; i < rows.length; i++) {
      this.found("x-prop-" + rows[i].name, read(rows[i].path, rows[i].kind));
    }
  }

  private useMetrics(): void {
    const root = this.root;
    must(root.counter.increment(3));
    must(root.gauge.record(root.gauge.metric_id, 40));
    must(root.gauge.increment(5));
    must(root.gauge.increment(-3));
    must(root.histogram.record(root.histogram.metric_id, 7));
  }

  private useSharedData(): void {
    must(set_shared_data("toolbox", String.UTF8.encode("one")));
    const read = get_shared_data("toolbox");
    must(read.result);
    const cas = read.cas;
    const stale = set_shared_data("toolbox", String.UTF8.encode("stale"), cas + 1);
    const fresh = set_shared_data("toolbox", String.UTF8.encode("two"), cas);
    const absent = get_shared_data("toolbox-absent").result;
    this.found("x-shared-data", textOf(read.value));
    this.found("x-shared-stale", stale == WasmResultValues.Ok ? "accepted" : "refused");
    this.found("x-shared-fresh", fresh == WasmResultValues.Ok ? "accepted" : "refused");
    this.found("x-shared-absent", absent == WasmResultValues.Ok ? "there" : "absent");
  }

  private useQueue(): void {
    const queue = register_shared_queue("toolbox-queue").token;
    const found = resolve_shared_queue("toolbox-vm", "toolbox-queue").token;
    const unknown = resolve_shared_queue("toolbox-vm", "toolbox-unknown").result;
    must(enqueue_shared_queue(queue, String.UTF8.encode("item")));
    const item = textOf(dequeue_shared_queue(queue).data);
    const nothing = dequeue_shared_queue(queue).result;
    this.found("x-queue-item", item);
    this.found("x-queue-then", nothing == WasmResultValues.Ok ? "another" : "empty");
    this.found("x-queue-found", found == queue ? "same" : "other");
    this.found("x-queue-unknown", unknown == WasmResultValues.Ok ? "there" : "absent");
  }

  private switchContext(): void {
    const unknown = proxy_set_effective_context(UNKNOWN_CONTEXT) == WasmResultValues.Ok;
    must(proxy_set_effective_context(this.root.context_id));
    const seenByRoot = stream_context.headers.request.get_headers().length;
    must(proxy_set_effective_context(this.context_id));
    const seenByStream = stream_context.headers.request.get(":method");
    this.found("x-effective-unknown", unknown ? "accepted" : "refused");
    this.found("x-effective-root", seenByRoot.toString());
    this.found("x-effective-own", seenByStream);
  }

  // The SDK swallows levels below its own threshold, which starts at info.
  private logAllLevels(): void {
    setLogLevel(LogLevelValues.trace);
    log(LogLevelValues.trace, "toolbox says trace");
    log(LogLevelValues.debug, "toolbox says debug");
    log(LogLevelValues.info, "toolbox says info");
    log(LogLevelValues.warn, "toolbox says warn");
    log(LogLevelValues.error, "toolbox says error");
    log(LogLevelValues.critical, "toolbox says critical");
    setLogLevel(LogLevelValues.info);
  }

  onRequestBody(size: usize, end_of_stream: bool): FilterDataStatusValues {
    const first = !this.requestBodyBegun;
    this.requestBodyBegun = true;
    if (this.name == "reply-request-body") {
      reply("request-body");
      return FilterDataStatusValues.StopIterationNoBuffer;
    }
    if (this.name == "panic-request-body") throw new Error("toolbox: trap in request body");
    if (this.name == "pause-body-tick") {
      if (end_of_stream) this.root.wait(this.context_id, Wake.RequestBody);
      return FilterDataStatusValues.StopIterationAndBuffer;
    }
    if (!this.name.startsWith("request-body")) return FilterDataStatusValues.Continue;
    const edit = this.name.substring("request-body".length);
    return editBody(BufferTypeValues.HttpRequestBody, edit, <u32>size, first, end_of_stream);
  }

  onResponseHeaders(count: u32, end_of_stream: bool): FilterHeadersStatusValues {
    const headers = stream_context.headers.response;
    const name = this.name;
    if (name == "panic-response-headers") throw new Error("toolbox: trap in response headers");
    if (name == "response-headers") {
      headers.add("x-added", "one");
      headers.add("x-added", "two");
      headers.replace("x-replace", "new");
      headers.replace("x-replace-absent", "set");
      headers.remove("x-remove");
    } else if (name == "response-status") {
      headers.replace(":status", "203");
    } else if (name.startsWith("response-body")) {
      headers.remove("content-length");
    } else if (name == "response-pairs") {
      const matches = headers.get_headers().length == <i32>count;
      this.found("x-pairs", matches ? "true" : "false");
      headers.set_headers([makeHeaderPair(":status", "202"), makeHeaderPair("x-only", "yes")]);
    } else if (name == "properties") {
      this.readProperties(OF_RESPONSE);
    } else if (name == "set-property") {
      this.found("x-prop-x", read("x", Kind.Text));
    } else if (name == "reply-response-headers" && headers.get("x-reply") == "") {
      // The reply passes this callback again; it must not be answered by another reply.
      reply("response-headers");
      return STOP;
    }
    headers.add("x-toolbox", "assemblyscript");
    for (let i = 0; i < this.findings.length; i++) {
      headers.add(this.findings[i].name, this.findings[i].value);
    }
    this.findings = [];
    return name == "pause-response-tick" ? this.wait(Wake.ResponseHeaders) : PASS;
  }

  onResponseBody(size: usize, end_of_stream: bool): FilterDataStatusValues {
    const first = !this.responseBodyBegun;
    this.responseBodyBegun = true;
    if (this.name == "panic-response-body") throw new Error("toolbox: trap in response body");
    if (!this.name.startsWith("response-body")) return FilterDataStatusValues.Continue;
    const edit = this.name.substring("response-body".length);
    return editBody(BufferTypeValues.HttpResponseBody, edit, <u32>size, first, end_of_stream);
  }

  onLog(): void {
    this.root.forget(this.context_id);
    if (this.name == "panic-log") throw new Error("toolbox: trap in log");
    if (this.name != "log") return;
    const code = read("response\0code", Kind.Int);
    const path = read("request\0path", Kind.Text);
    const status = stream_context.headers.response.get(":status");
    log(LogLevelValues.info, `toolbox log code=${code} path=${path} status=${status}`);
  }
}

function textOf(bytes: ArrayBuffer | null): string {
  return bytes === null ? "" : String.UTF8.decode(bytes);
}

function editBody(
  buffer: BufferTypeValues,
  edit: string,
  size: u32,
  first: bool,
  last: bool,
): FilterDataStatusValues {
  if (edit == "-append") {
    if (last) must(set_buffer_bytes(buffer, END, 0, String.UTF8.encode("-tail")));
  } else if (edit == "-prepend") {
    if (first) must(set_buffer_bytes(buffer, 0, 0, String.UTF8.encode("head-")));
  } else if (!last) {
    return FilterDataStatusValues.StopIterationAndBuffer;
  } else {
    const text = String.UTF8.decode(get_buffer_bytes(buffer, 0, size));
    must(set_buffer_bytes(buffer, 0, size, String.UTF8.encode("[" + text.toUpperCase() + "]")));
  }
  return FilterDataStatusValues.Continue;
}
