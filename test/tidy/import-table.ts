/**
 * Which folder of `src` may import which, and the one door of each third-party package. Arrows only
 * go down; `config/types.ts` is plain data that every folder from `net` on may name in types.
 */
export const IMPORT_TABLE: Readonly<Record<string, readonly string[]>> = {
  base: [],
  gen: [],
  abi: ["base"],
  shm: ["base"],
  http: ["base", "shm"],
  config: ["base", "gen", "http"],
  net: ["base", "shm"],
  metrics: ["base", "shm"],
  vm: ["base", "abi", "shm", "http", "metrics"],
  upstream: ["base", "http", "net", "metrics", "shm"],
  silo: ["base", "abi", "shm", "http", "net", "metrics", "vm", "upstream"],
  admin: ["base", "shm", "http", "metrics", "config", "silo"],
  main: ["base", "abi", "shm", "http", "metrics", "config", "vm", "upstream", "silo", "admin"],
};

/** What of a folder may be imported from where the table does not allow the folder as a whole. */
export const PUBLIC_TYPES: readonly string[] = ["config/types.ts"];

/** Of the silo, others know its messages, and how access logs and taps are written. */
export const ONLY_DOORS: Readonly<Record<string, readonly string[]>> = {
  silo: [
    "silo/messages.ts",
    "silo/access-log.ts",
    "silo/log-ring.ts",
    "silo/log-sinks.ts",
    "silo/tap/tap-record.ts",
    "silo/tap/tap-ring.ts",
    "silo/stream-info.ts",
  ],
};

/** The only files that import a package (or a subpath of it). */
export const PACKAGE_DOORS: Readonly<Record<string, readonly string[]>> = {
  "@bufbuild/cel": ["vm/foreign/cel-library.ts"],
  "@bufbuild/protobuf": ["config/protobuf.ts", "vm/foreign/cel-library.ts"],
  binaryen: ["main/asyncify.ts"],
  comlink: ["base/comlink.ts"],
  esbuild: ["main/script-bundler.ts"],
  msgpackr: ["base/msgpack.ts"],
  piscina: ["main/cpu-pool.ts"],
  "prom-client": ["metrics/prometheus.ts"],
  re2js: ["http/regex.ts"],
  "uWebSockets.js": ["silo/downstream/uws-library.ts"],
  yaml: ["config/yaml.ts"],
};
