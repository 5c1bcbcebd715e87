/** The configuration under which a group of cases is played: one listener for each case. */
import type { CaseGroup, DifferentialCase, FilterPart } from "./case.ts";
import { type GuestAbi, guestModule } from "./guest.ts";
import { ProgramBytes } from "./program.ts";

const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3." +
  "HttpConnectionManager";
const WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

const TCP_WASM = "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm";
const TCP_PROXY = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";

export const PROBE = "probe";
export const PLUGIN_CONFIGURATION = "for the plugin";

export interface Ports {
  readonly upstream: number;
  readonly h2Upstream: number;
  /** Where nobody listens. */
  readonly dead: number;
}

/** What the log lines of one plugin mean. */
export interface PluginLog {
  readonly caseName: string;
  /** Of the filter in its chain, from 0. */
  readonly index: number;
  readonly program: ProgramBytes;
}

export interface GroupConfig {
  readonly yaml: string;
  /** By "root id, space, VM id". */
  readonly plugins: ReadonlyMap<string, PluginLog>;
}

const address = (port: number): object => ({
  socket_address: { address: "127.0.0.1", port_value: port },
});
const bytesValue = (bytes: Uint8Array): object => ({
  "@type": "type.googleapis.com/google.protobuf.BytesValue",
  value: Buffer.from(bytes).toString("base64"),
});
const stringValue = (value: string): object => ({
  "@type": "type.googleapis.com/google.protobuf.StringValue",
  value,
});

const LETTERS = "abcdefgh";

/** Plugin names hold no space: the log's prefix is read back by words. */
const pluginName = (testCase: DifferentialCase, index: number): string =>
  `${testCase.name}.${index}`;

function wasmFilters(
  testCase: DifferentialCase,
  fileOf: (abi: GuestAbi) => string,
  plugins: Map<string, PluginLog>,
): object[] {
  const { filters } = testCase;
  const vmOf = (part: FilterPart, index: number): string => part.vm ?? `own${index}`;
  const programs = new Map<string, { bytes: ProgramBytes; members: number[] }>();
  filters.forEach((part, index) => {
    const members = filters.flatMap((other, at) =>
      vmOf(other, at) === vmOf(part, index) ? [at] : [],
    );
    const bytes = new ProgramBytes(members.map((at) => (filters[at] ?? part).program));
    if (!programs.has(vmOf(part, index))) programs.set(vmOf(part, index), { bytes, members });
  });
  const encoded = new Map([...programs].map(([vm, { bytes }]) => [vm, bytes.encode()] as const));
  return filters.map((part, index) => {
    const vm = vmOf(part, index);
    const program = programs.get(vm);
    if (program === undefined) throw new Error("no program");
    const name = pluginName(testCase, index);
    const vmId = `${testCase.name}.${vm}`;
    const letter = LETTERS[program.members.indexOf(index)] ?? "";
    const log = { caseName: testCase.name, index, program: program.bytes };
    plugins.set(`${letter} ${vmId}`, log);
    const config = {
      name,
      root_id: letter,
      configuration: stringValue(PLUGIN_CONFIGURATION),
      ...part.plugin,
      vm_config: {
        vm_id: vmId,
        runtime: "envoy.wasm.runtime.v8",
        code: { local: { filename: fileOf(part.abi ?? "0.2.1") } },
        configuration: bytesValue(encoded.get(vm) ?? new Uint8Array()),
        ...part.vmConfig,
      },
    };
    return { name, typed_config: { "@type": testCase.isTcp ? TCP_WASM : WASM, config } };
  });
}

function listenerOf(testCase: DifferentialCase, wasm: readonly object[]): object {
  if (testCase.isTcp) {
    const proxy = { "@type": TCP_PROXY, stat_prefix: "case", cluster: "upstream" };
    const filters = [...wasm, { name: "envoy.filters.network.tcp_proxy", typed_config: proxy }];
    return { name: testCase.name, address: address(0), filter_chains: [{ filters }] };
  }
  const route = {
    name: "case_route",
    match: { prefix: "/" },
    route: { cluster: "upstream" },
    ...testCase.route,
  };
  const hcm = {
    "@type": HCM,
    stat_prefix: "case",
    codec_type: "AUTO",
    // A connection that is to be closed is closed at once, so that recordings can tell.
    delayed_close_timeout: "0s",
    route_config: {
      name: "local_route",
      virtual_hosts: [{ name: "all", domains: ["*"], routes: [route] }],
    },
    http_filters: [
      ...wasm,
      { name: "envoy.filters.http.router", typed_config: { "@type": ROUTER } },
    ],
    ...testCase.hcm,
  };
  return {
    name: testCase.name,
    address: address(0),
    filter_chains: [
      {
        filters: [{ name: "envoy.filters.network.http_connection_manager", typed_config: hcm }],
      },
    ],
    ...testCase.listener,
  };
}

/** Logs the path of each request, and answers by itself. */
const PROBE_CASE: DifferentialCase = {
  name: PROBE,
  shows: "what was sent before has been dealt with",
  filters: [
    {
      program: {
        proxy_on_request_headers: { steps: [["proxy_get_header_map_value", 0, ":path"]] },
      },
    },
  ],
  script: [],
  route: { route: undefined, direct_response: { status: 200, body: { inline_string: "ok" } } },
};

const H1 = { http_protocol_options: { enable_trailers: true } };
const H2 = { http2_protocol_options: {} };

const cluster = (name: string, port: number, protocol: object = H1): object => ({
  ...protocol,
  name,
  type: "STATIC",
  connect_timeout: "1s",
  load_assignment: {
    cluster_name: name,
    endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
  },
});

/** @param fileOf where the guest's module for an ABI version lies */
export function groupConfig(
  group: CaseGroup,
  ports: Ports,
  fileOf: (abi: GuestAbi) => string,
): GroupConfig {
  const plugins = new Map<string, PluginLog>();
  const listeners = [PROBE_CASE, ...group.cases].map((testCase) =>
    listenerOf(testCase, wasmFilters(testCase, fileOf, plugins)),
  );
  const clusters = [
    cluster("upstream", ports.upstream),
    cluster("h2", ports.h2Upstream, H2),
    cluster("dead", ports.dead),
    cluster("h2-dead", ports.dead, H2),
  ];
  const node = { id: "differential-node", cluster: "differential", locality: { zone: "z1" } };
  const resources = JSON.stringify({ listeners, clusters });
  const yaml = `node: ${JSON.stringify(node)}\nstatic_resources: ${resources}\n`;
  return { yaml, plugins };
}

/** Writes the guest's modules into a directory; where each lies. */
export function writeGuests(
  write: (name: string, bytes: Uint8Array) => string,
): (abi: GuestAbi) => string {
  const files = new Map<GuestAbi, string>();
  return (abi) => {
    const known = files.get(abi);
    if (known !== undefined) return known;
    const file = write(`guest-${abi}.wasm`, guestModule(abi));
    files.set(abi, file);
    return file;
  };
}
