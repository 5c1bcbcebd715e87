/** Builds bootstrap texts for the tests: a small valid one, with holes to fill. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadResult } from "../../../src/config/load.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { bundleScript } from "../../../src/main/script-bundler.ts";
import { CERTIFICATE_PEM, PRIVATE_KEY_PEM } from "./pem.ts";

export const HCM =
  "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
export const ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
export const WASM = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
export const VERSIONS = "type.googleapis.com/granary.filters.http.wasm.v1.WasmVersions";
export const TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.";
export const LOGGERS = "type.googleapis.com/envoy.extensions.access_loggers.";

/** An empty module: the magic number and version 1. */
export const EMPTY_MODULE = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
export const MARKED_MODULE = Uint8Array.of(...EMPTY_MODULE, 0, 2, 0, 0);
const BAD_MODULE = Uint8Array.of(...EMPTY_MODULE, 0, 1, 0);

export interface Holes {
  /** Top-level fields. */
  readonly top?: string;
  /** Instead of the address of the listener. */
  readonly address?: string;
  /** After the key `http_filters:`. */
  readonly filtersMark?: string;
  /** Fields of the listener. */
  readonly listener?: string;
  /** Fields of the filter chain. */
  readonly chain?: string;
  /** Fields of the connection manager. */
  readonly hcm?: string;
  /** HTTP filters before the router. */
  readonly filters?: string;
  /** Instead of the router. */
  readonly router?: string;
  /** Fields of the route configuration. */
  readonly table?: string;
  /** Instead of the domains of the virtual host. */
  readonly domains?: string;
  /** Fields of the virtual host. */
  readonly host?: string;
  /** Instead of the routes. */
  readonly routes?: string;
  /** Fields of the cluster. */
  readonly cluster?: string;
  /** Instead of the address of the endpoint. */
  readonly endpoint?: string;
  /** Further clusters. */
  readonly clusters?: string;
}

const DEFAULT_ROUTES = '- match: {prefix: "/"}\n  route: {cluster: a}';
const DEFAULT_ROUTER = `- name: envoy.filters.http.router\n  typed_config: {"@type": ${ROUTER}}`;
const DEFAULT_ENDPOINT = "address: {socket_address: {address: 127.0.0.1, port_value: 80}}";

/** Lines of `text` moved right by `columns`. */
function at(columns: number, text: string | undefined): string {
  if (text === undefined || text === "") return "";
  const pad = " ".repeat(columns);
  return text
    .split("\n")
    .map((line) => `${pad}${line}\n`)
    .join("");
}

/** The YAML of a bootstrap: one listener on port 0, one cluster `a`. */
export function bootstrapText(holes: Holes = {}): string {
  return `static_resources:
  listeners:
  - name: main
    ${holes.address ?? "address: {socket_address: {address: 0.0.0.0, port_value: 0}}"}
${at(4, holes.listener)}    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": ${HCM}
          stat_prefix: in
          route_config:
${at(12, holes.table)}            virtual_hosts:
            - name: v
              domains: ${holes.domains ?? '["*"]'}
${at(14, holes.host)}              routes:
${at(14, holes.routes ?? DEFAULT_ROUTES)}          http_filters:${holes.filtersMark ?? ""}
${at(10, holes.filters)}${at(10, holes.router ?? DEFAULT_ROUTER)}${at(10, holes.hcm)}${at(6, holes.chain)}  clusters:
  - name: a
${at(4, holes.cluster)}    load_assignment:
      cluster_name: a
      endpoints:
      - lb_endpoints:
        - endpoint:
${at(12, holes.endpoint ?? DEFAULT_ENDPOINT)}${at(2, holes.clusters)}${holes.top ?? ""}
`;
}

/** A directory with `ok.wasm`, `bad.wasm` (refused), `marked.wasm` (wants coroutines), `text.wasm`, `cert.pem` and `key.pem`, made once. */
export const DIRECTORY = makeDirectory();

function makeDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "granary-config-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  writeFileSync(join(directory, "ok.wasm"), EMPTY_MODULE);
  writeFileSync(join(directory, "marked.wasm"), MARKED_MODULE);
  writeFileSync(join(directory, "bad.wasm"), BAD_MODULE);
  writeFileSync(join(directory, "text.wasm"), "not wasm");
  writeFileSync(join(directory, "cert.pem"), CERTIFICATE_PEM);
  writeFileSync(join(directory, "key.pem"), PRIVATE_KEY_PEM);
  return directory;
}

/** Loads a text with relative files in DIRECTORY. */
export function load(text: string, overlay?: string): LoadResult {
  return loadConfig({
    text,
    origin: "envoy.yaml",
    baseDir: DIRECTORY,
    bundleScript,
    checkModule: (bytes) => (bytes.length === BAD_MODULE.length ? ["no ABI marker"] : []),
    marksCoroutines: (bytes) => bytes.length === MARKED_MODULE.length,
    ...(overlay === undefined ? {} : { overlay }),
  });
}

/** A Wasm filter entry with further fields of the plugin (indented by 6) and VM configuration. */
export function wasmFilter(plugin = "", vm = ""): string {
  return `- name: w
  typed_config:
    "@type": ${WASM}
    config:
      name: p
${at(6, plugin)}      vm_config:
        code: {local: {filename: ok.wasm}}
${at(8, vm)}`.trimEnd();
}
