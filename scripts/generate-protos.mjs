/**
 * Generates `src/gen` (never committed) from the Envoy protos of `@grpc/grpc-js-xds`: stages them in
 * `build/proto` with LF line ends, applies the fixes below, runs `buf generate`, and makes the table
 * of messages that silos read (message-table.mjs). Works offline.
 * Does nothing when the stamp in `src/gen/.stamp` is that of the present inputs.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { writeMessageTable } from "./message-table.mjs";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const STAGE = join(ROOT, "build", "proto");
/** Our own extension of Envoy's API. */
const OWN = "proto";
const VERSIONS = "granary/filters/http/wasm/v1/wasm_versions.proto";
const OUT = join(ROOT, "src", "gen");
const STAMP = join(OUT, ".stamp");
const require = createRequire(join(ROOT, "package.json"));
const PACKAGES = ["@grpc/grpc-js-xds", "@bufbuild/buf", "@bufbuild/protoc-gen-es"];
const TREES = ["envoy-api", "xds", "googleapis", "protoc-gen-validate"];

/** Files that are generated, with all they import. */
const ENTRIES = [
  "envoy/config/bootstrap/v3/bootstrap.proto",
  "envoy/extensions/access_loggers/file/v3/file.proto",
  "envoy/extensions/access_loggers/stream/v3/stream.proto",
  "envoy/extensions/access_loggers/wasm/v3/wasm.proto",
  "envoy/extensions/filters/http/router/v3/router.proto",
  "envoy/extensions/filters/http/tap/v3/tap.proto",
  "envoy/extensions/filters/http/upstream_codec/v3/upstream_codec.proto",
  "envoy/extensions/filters/http/wasm/v3/wasm.proto",
  "envoy/extensions/filters/listener/http_inspector/v3/http_inspector.proto",
  "envoy/extensions/filters/listener/original_dst/v3/original_dst.proto",
  "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.proto",
  "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.proto",
  "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.proto",
  "envoy/extensions/formatter/req_without_query/v3/req_without_query.proto",
  "envoy/extensions/request_id/uuid/v3/uuid.proto",
  "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.proto",
  "envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy.proto",
  "envoy/extensions/filters/network/wasm/v3/wasm.proto",
  "envoy/extensions/stat_sinks/wasm/v3/wasm.proto",
  "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.proto",
  "envoy/extensions/transport_sockets/tls/v3/tls.proto",
  "envoy/extensions/upstreams/http/v3/http_protocol_options.proto",
  "envoy/extensions/wasm/v3/wasm.proto",
  VERSIONS,
  "udpa/type/v1/typed_struct.proto",
  "xds/type/v3/typed_struct.proto",
];

/** [file, text that is there, text that takes its place]. */
const FIXES = [
  // The Envoy protos use `ignore_empty`, which the package's own (older) validate.proto lacks.
  ...[
    ...["Float", "Double", "Int32", "Int64", "UInt32", "UInt64", "SInt32", "SInt64"].map((t) => [
      t,
      8,
    ]),
    ...["Fixed32", "Fixed64", "SFixed32", "SFixed64"].map((t) => [t, 8]),
    ["String", 26],
    ["Bytes", 14],
    ["Repeated", 5],
    ["Map", 6],
  ].map(([type, number]) => [
    "validate/validate.proto",
    `message ${type}Rules {`,
    `message ${type}Rules {\n    optional bool ignore_empty = ${number};`,
  ]),
  // Fields of Envoy 1.32 to 1.35 that current configurations carry.
  [
    "envoy/config/core/v3/protocol.proto",
    "  google.protobuf.UInt32Value max_requests_per_connection = 6;\n",
    `  google.protobuf.UInt32Value max_requests_per_connection = 6;
  google.protobuf.UInt32Value max_response_headers_kb = 7
      [(validate.rules).uint32 = {lte: 8192 gt: 0}];
`,
  ],
  [
    "envoy/extensions/transport_sockets/tls/v3/tls.proto",
    "  google.protobuf.BoolValue enforce_rsa_key_usage = 5;\n",
    `  google.protobuf.BoolValue enforce_rsa_key_usage = 5;
  bool auto_host_sni = 6;
  bool auto_sni_san_validation = 7;
`,
  ],
  [
    "envoy/extensions/wasm/v3/wasm.proto",
    "  CapabilityRestrictionConfig capability_restriction_config = 6;\n",
    `  CapabilityRestrictionConfig capability_restriction_config = 6;
  FailurePolicy failure_policy = 7;
  ReloadConfig reload_config = 8;
  google.protobuf.BoolValue allow_on_headers_stop_iteration = 9;
`,
  ],
  [
    "envoy/extensions/wasm/v3/wasm.proto",
    "message PluginConfig {",
    `enum FailurePolicy {
  UNSPECIFIED = 0;
  FAIL_RELOAD = 1;
  FAIL_CLOSED = 2;
  FAIL_OPEN = 3;
}

message ReloadConfig {
  config.core.v3.BackoffStrategy backoff = 1;
}

message PluginConfig {`,
  ],
  [
    "envoy/extensions/wasm/v3/wasm.proto",
    'import "google/protobuf/any.proto";',
    'import "envoy/config/core/v3/backoff.proto";\nimport "google/protobuf/any.proto";\nimport "google/protobuf/wrappers.proto";',
  ],
];

function packageDir(name) {
  return dirname(require.resolve(`${name}/package.json`));
}

/** Hash of everything that decides the output: this file, the buf files, the package versions. */
function inputsHash() {
  const hash = createHash("sha256");
  const own = join(OWN, VERSIONS);
  const table = join("scripts", "message-table.mjs");
  for (const file of [fileURLToPath(import.meta.url), table, "buf.yaml", "buf.gen.yaml", own]) {
    hash.update(readFileSync(join(file.startsWith(ROOT) ? "" : ROOT, file)));
  }
  for (const name of PACKAGES) {
    hash.update(JSON.parse(readFileSync(join(packageDir(name), "package.json"), "utf8")).version);
  }
  return hash.digest("hex");
}

/** Copies the proto trees to `build/proto`; the package ships CRLF, the fixes need LF. */
function stage() {
  rmSync(STAGE, { recursive: true, force: true });
  mkdirSync(STAGE, { recursive: true });
  const deps = join(packageDir("@grpc/grpc-js-xds"), "deps");
  for (const tree of TREES) {
    cpSync(join(deps, tree), STAGE, {
      recursive: true,
      filter: (source) => !/\.[^./\\]+$/.test(relative(deps, source)) || source.endsWith(".proto"),
    });
  }
  cpSync(join(ROOT, OWN), STAGE, { recursive: true });
  rmSync(join(STAGE, "tests"), { recursive: true, force: true });
  rmSync(join(STAGE, "java"), { recursive: true, force: true });
}

/** Applies FIXES and LF to the files that the entries reach; returns nothing, throws on a misfit. */
function fix() {
  const todo = [...ENTRIES, "validate/validate.proto"];
  const seen = new Set();
  for (let file = todo.pop(); file !== undefined; file = todo.pop()) {
    if (seen.has(file) || !existsSync(join(STAGE, file))) continue;
    seen.add(file);
    let text = readFileSync(join(STAGE, file), "utf8").replaceAll("\r\n", "\n");
    for (const [target, before, after] of FIXES) {
      if (target !== file) continue;
      if (file === "validate/validate.proto" && hasField(text, before)) continue;
      if (!text.includes(before))
        throw new Error(`${file}: "${before}" is not there to be replaced`);
      text = text.replace(before, () => after);
    }
    writeFileSync(join(STAGE, file), text);
    for (const [, imported] of text.matchAll(/^import (?:public )?"([^"]+)";/gm))
      todo.push(imported);
  }
}

/** Whether the message that `head` opens has an `ignore_empty` of its own. */
function hasField(text, head) {
  const body = text.slice(text.indexOf(head) + head.length).split(/^message /m)[0] ?? "";
  return /\bignore_empty\b/.test(body);
}

function runBuf(args) {
  const path = [dirname(process.execPath), process.env.PATH ?? ""].join(delimiter);
  const buf = join(packageDir("@bufbuild/buf"), "bin", "buf");
  const run = spawnSync(process.execPath, [buf, ...args], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, PATH: path, BUF_CACHE_DIR: join(ROOT, "build", "buf-cache") },
  });
  if (run.status !== 0) throw new Error(`buf ${args[0]} ended with ${run.status ?? run.error}`);
}

function generate() {
  const paths = ENTRIES.flatMap((entry) => ["--path", join("build", "proto", entry)]);
  rmSync(OUT, { recursive: true, force: true });
  runBuf(["generate", ...paths]);
  writeMessageTable({ stage: STAGE, target: join(OUT, "message-table.cts"), run: runBuf });
}

const hash = inputsHash();
if (!existsSync(STAMP) || readFileSync(STAMP, "utf8") !== hash) {
  stage();
  fix();
  generate();
  writeFileSync(STAMP, hash);
}
