/** Messages that a guest declared, set and reads by the paths of their fields. */
import { type CaseGroup, type DifferentialCase, single } from "../case.ts";
import type { Step } from "../program.ts";

const get = (path: string): Step => ["proxy_get_property", path.replaceAll(".", "\0")];
const getAll = (paths: readonly string[]): readonly Step[] => paths.map(get);

const field = (tag: string, bytes: string): string =>
  tag + String.fromCharCode(bytes.length) + bytes;

/** Declares `name` as messages of `type`, by its type URL. */
const declared = (name: string, type: string): Step => [
  "proxy_call_foreign_function",
  "declare_property",
  `${field("\x0a", name)}\x18\x03${field("\x22", type)}`,
];
const urlOf = (type: string): string => `type.googleapis.com/${type}`;
const NODE = urlOf("envoy.config.core.v3.Node");

/** `{id: "node-1", cluster: "c", locality: {zone: "z"}, metadata: {n: 1}}` */
const METADATA = field("\x0a", `${field("\x0a", "n")}${field("\x12", "\x11\0\0\0\0\0\0\xf0\x3f")}`);
const NODE_BYTES = [
  field("\x0a", "node-1"),
  field("\x12", "c"),
  field("\x1a", METADATA),
  field("\x22", field("\x12", "z")),
].join("");

const LOCALITY = "envoy.config.core.v3.Locality";
/** An Any. */
const packed = (type: string, bytes: string): string =>
  field("\x0a", urlOf(type)) + field("\x12", bytes);

const getState = (name: string): Step => ["proxy_get_property", `filter_state\0wasm.${name}`];

/** Declares in the root what streams set and read. */
function messages(
  name: string,
  shows: string,
  types: Readonly<Record<string, string>>,
  steps: readonly Step[],
): DifferentialCase {
  const declarations = Object.entries(types).map(([state, type]) => declared(state, type));
  return single(`property-declared-${name}`, shows, {
    proxy_on_configure: { steps: declarations },
    proxy_on_request_headers: { steps },
  });
}

const MESSAGES: readonly DifferentialCase[] = [
  messages("message", "fields of a message that was set, by their path", { m: NODE }, [
    ["proxy_set_property", "m", NODE_BYTES],
    get("m"),
    ...getAll(["m.id", "m.cluster", "m.locality", "m.locality.zone", "m.locality.region"]),
    ...getAll(["m.metadata", "m.metadata.n", "m.metadata.absent"]),
    ...getAll(["m.user_agent_version", "m.nothing", "m.id.more"]),
    ["proxy_get_property", "filter_state\0wasm.m\0id"],
    ["proxy_get_property", "filter_state\0wasm.m"],
  ]),
  messages(
    "known-types",
    "messages that stand for a value",
    {
      struct: urlOf("google.protobuf.Struct"),
      text: urlOf("google.protobuf.StringValue"),
      time: urlOf("google.protobuf.Timestamp"),
    },
    [
      ["proxy_set_property", "struct", METADATA],
      ...getAll(["struct", "struct.n", "struct.fields"]),
      ["proxy_set_property", "text", field("\x0a", "word")],
      ...getAll(["text", "text.value"]),
      ["proxy_set_property", "time", "\x08\x05"],
      get("time.seconds"),
      ...["struct", "text", "time"].map(getState),
    ],
  ),
  messages(
    "fields",
    "fields of every kind, and what is not set",
    {
      common: urlOf("envoy.data.accesslog.v3.AccessLogCommon"),
      cluster: urlOf("envoy.config.cluster.v3.Cluster"),
      percent: urlOf("envoy.type.v3.FractionalPercent"),
      range: urlOf("envoy.type.v3.Int64Range"),
      one: NODE,
    },
    [
      // sample_rate 0.5, start_time 5 s 1 ns, time_to_last_rx_byte 2 s
      [
        "proxy_set_property",
        "common",
        `\x09\0\0\0\0\0\0\xe0\x3f${field("\x2a", "\x08\x05\x10\x01")}${field("\x32", "\x08\x02")}`,
      ],
      ...getAll(["common.sample_rate", "common.start_time", "common.start_time.seconds"]),
      ...getAll(["common.time_to_last_rx_byte", "common.time_to_first_upstream_tx_byte"]),
      ...getAll(["common.upstream_cluster", "common.response_flags", "common.metadata"]),
      ...getAll(["common.response_flags.rate_limited", "common.filter_state_objects"]),
      ...getAll(["common.metadata.filter_metadata", "common.metadata.filter_metadata.x"]),
      // name "c", connect_timeout 1 s, per_connection_buffer_limit_bytes 7
      [
        "proxy_set_property",
        "cluster",
        `${field("\x0a", "c")}${field("\x22", "\x08\x01")}${field("\x2a", "\x08\x07")}`,
      ],
      ...getAll(["cluster.connect_timeout", "cluster.per_connection_buffer_limit_bytes"]),
      ...getAll(["cluster.max_requests_per_connection", "cluster.type", "cluster.lb_policy"]),
      ...getAll([
        "cluster.ignore_health_on_host_removal",
        "cluster.typed_extension_protocol_options",
      ]),
      ...getAll(["cluster.health_checks", "cluster.health_checks.0"]),
      ["proxy_set_property", "percent", "\x08\xac\x02\x10\x02"],
      ...getAll(["percent.numerator", "percent.denominator"]),
      ["proxy_set_property", "range", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"],
      ...getAll(["range.start", "range.end"]),
      // client_features ["one", "two"], extensions [{name: "e"}]
      [
        "proxy_set_property",
        "one",
        `${field("\x4a", field("\x0a", "e"))}${field("\x52", "one")}${field("\x52", "two")}`,
      ],
      ...getAll(["one.client_features", "one.client_features.1", "one.client_features.2"]),
      ...getAll(["one.client_features.x", "one.extensions.0", "one.extensions.0.name"]),
      ...getAll(["one.extensions.0.type_url", "one.locality", "one.locality.zone"]),
      ...getAll(["one.metadata", "one.metadata.n", "one.extensions.0.version.version"]),
      ...getAll(["one.dynamic_parameters", "one.user_agent_build_version.metadata"]),
    ],
  ),
  messages(
    "any",
    "messages within an Any, fields that come twice, members of a oneof",
    {
      ext: urlOf("envoy.config.core.v3.TypedExtensionConfig"),
      meta: urlOf("envoy.config.core.v3.Metadata"),
      value: urlOf("google.protobuf.Value"),
      list: urlOf("google.protobuf.ListValue"),
      one: NODE,
    },
    [
      ["proxy_set_property", "ext", field("\x12", packed(LOCALITY, field("\x12", "z")))],
      ...getAll(["ext.typed_config", "ext.typed_config.zone", "ext.typed_config.type_url"]),
      ["proxy_set_property", "ext", field("\x12", packed("no.such.Message", ""))],
      ...getAll(["ext.typed_config", "ext.typed_config.zone"]),
      ["proxy_set_property", "ext", field("\x12", packed(LOCALITY, "\x12\x7f"))],
      get("ext.typed_config"),
      ["proxy_set_property", "ext", field("\x0a", "name")],
      ...getAll(["ext.typed_config", "ext.typed_config.zone"]),
      [
        "proxy_set_property",
        "meta",
        field(
          "\x12",
          `${field("\x0a", "k")}${field("\x12", packed(LOCALITY, field("\x12", "z")))}`,
        ),
      ],
      ...getAll(["meta.typed_filter_metadata.k", "meta.typed_filter_metadata.k.zone"]),
      ...getAll(["meta.typed_filter_metadata.K", "meta.typed_filter_metadata.x"]),
      // null, then 1 and "s" of one oneof
      ["proxy_set_property", "value", "\x08\0"],
      get("value.x"),
      ["proxy_set_property", "value", `\x2a${field("\x12", METADATA).slice(1)}`],
      get("value.n"),
      [
        "proxy_set_property",
        "list",
        `${field("\x0a", "\x20\x01")}${field("\x0a", field("\x1a", "s"))}`,
      ],
      ...getAll(["list.0", "list.1", "list.2", "list"]),
      // locality twice, version text then build version
      [
        "proxy_set_property",
        "one",
        `${field("\x22", field("\x0a", "r"))}${field("\x22", field("\x12", "z"))}${field("\x3a", "1")}${field("\x42", "")}`,
      ],
      ...getAll(["one.locality.region", "one.locality.zone", "one.locality"]),
      ...getAll(["one.user_agent_version", "one.user_agent_build_version"]),
      ["proxy_set_property", "one", field("\x0a", "\xff\xfe")],
      get("one.id"),
      ["proxy_set_property", "one", "\x08\x01"],
      ...getAll(["one.id", "one.Id"]),
      ["proxy_set_property", "one", "\x0a\x7f"],
      ["proxy_get_property", "filter_state\0wasm.one"],
    ],
  ),
  messages(
    "nulls",
    "values that are null, in a list and in a map",
    {
      list: urlOf("google.protobuf.ListValue"),
      struct: urlOf("google.protobuf.Struct"),
    },
    [
      ["proxy_set_property", "list", `${field("\x0a", "\x08\0")}${field("\x0a", "\x20\x01")}`],
      ...getAll(["list.0", "list.1", "list"]),
      [
        "proxy_set_property",
        "struct",
        [
          field("\x0a", field("\x0a", "a") + field("\x12", "\x08\0")),
          field("\x0a", field("\x0a", "b") + field("\x12", "\x20\x01")),
        ].join(""),
      ],
      ...getAll(["struct.a", "struct.b"]),
      ...["list", "struct"].map(getState),
    ],
  ),
  messages("encoding", "a message in another order than Envoy writes", { m: NODE }, [
    // A zone before its region, and a cluster that is empty.
    [
      "proxy_set_property",
      "m",
      `${field("\x22", field("\x12", "z") + field("\x0a", "r"))}${field("\x12", "")}`,
    ],
    ...getAll(["m.locality.zone", "m.locality", "m"]),
    getState("m"),
  ]),
  messages(
    "no-message",
    "what cannot be read as what was declared",
    {
      unknown: urlOf("no.such.Message"),
      bare: "envoy.config.core.v3.Node",
      none: "",
      broken: NODE,
    },
    [
      ["proxy_set_property", "unknown", NODE_BYTES],
      ...getAll(["unknown", "unknown.id"]),
      ["proxy_get_property", "filter_state\0wasm.unknown"],
      ["proxy_set_property", "bare", NODE_BYTES],
      get("bare.id"),
      ["proxy_set_property", "none", NODE_BYTES],
      get("none.id"),
      ["proxy_get_property", "filter_state\0wasm.none"],
      ["proxy_set_property", "broken", "\x0a\x7f"],
      ...getAll(["broken", "broken.id"]),
      ["proxy_set_property", "plain", NODE_BYTES],
      get("plain.id"),
    ],
  ),
];

const EXPRESSIONS = [
  "m.id",
  "m.id == 'node-1' && m.locality.zone == 'z'",
  "m.locality",
  "m.locality.region == ''",
  "m.metadata.n + 1.0",
  "m.nothing",
  "m",
  "text",
  "text == 'word'",
  "time > timestamp('1970-01-01T00:00:00Z')",
  "filter_state['wasm.m'].id",
  "filter_state['wasm.text']",
  "struct.n",
  "broken",
  "broken.id",
  "broken == null",
  "filter_state['wasm.broken']",
  "size(m.client_features)",
] as const;

const IN_EXPRESSIONS = messages(
  "expressions",
  "messages that were set, in expressions",
  {
    m: NODE,
    text: urlOf("google.protobuf.StringValue"),
    time: urlOf("google.protobuf.Timestamp"),
    struct: urlOf("google.protobuf.Struct"),
    broken: NODE,
  },
  [
    ["proxy_set_property", "m", NODE_BYTES],
    ["proxy_set_property", "text", field("\x0a", "word")],
    ["proxy_set_property", "time", "\x08\x05"],
    ["proxy_set_property", "struct", METADATA],
    ["proxy_set_property", "broken", "\x0a\x7f"],
    ...EXPRESSIONS.map((source): Step => ["proxy_call_foreign_function", "expr_create", source]),
    ...EXPRESSIONS.map(
      (_, i): Step => [
        "proxy_call_foreign_function",
        "expr_evaluate",
        `${String.fromCharCode(i)}\0\0\0`,
      ],
    ),
  ],
);

export const DECLARED_CASES: CaseGroup = { name: "declared", cases: [...MESSAGES, IN_EXPRESSIONS] };
