/**
 * What each text module of this folder shows. `traffic` is what Granary does; where Envoy 1.40 (V8)
 * does something else, `envoy` tells it. The modules are assembled by wabt when a test needs them.
 */
import {
  type CaseParts,
  type ConformanceCase,
  conformanceCase,
  type HeaderPatterns,
} from "../conformance/case.ts";

export interface TextModule {
  /** File name without `.wat`. */
  readonly module: string;
  readonly shows: string;
  /** A word that the refusal must contain; null = the module loads. */
  readonly refused: string | null;
  /** `allow_on_headers_stop_iteration`. */
  readonly headersStopIteration: boolean;
  readonly traffic: readonly ConformanceCase[];
  readonly envoy: EnvoyDiffers | null;
}

export type EnvoyDiffers =
  | { readonly does: "refuses"; readonly why: string }
  | { readonly does: "crashes"; readonly why: string }
  | {
      readonly does: "answers";
      readonly why: string;
      readonly traffic: readonly ConformanceCase[];
    };

const CHUNKED_POST: NonNullable<CaseParts["request"]> = {
  method: "POST",
  parts: ["ab", "cde"],
  framing: "chunked",
};
const WHOLE_POST: NonNullable<CaseParts["request"]> = { ...CHUNKED_POST, framing: "length" };

function loads(module: string, shows: string, traffic: readonly ConformanceCase[]): TextModule {
  return { module, shows, refused: null, headersStopIteration: false, traffic, envoy: null };
}

function refused(module: string, shows: string, word: string): TextModule {
  return { ...loads(module, shows, []), refused: word };
}

/** A plain GET whose response carries these headers. */
function tells(headers: HeaderPatterns): ConformanceCase {
  const absent = { "x-toolbox": null };
  return conformanceCase("text", "tells", { expect: { headers: { ...absent, ...headers } } });
}

const STARTS: readonly TextModule[] = [
  loads("start-section", "a (start) section runs", [tells({ "x-start": "s" })]),
  {
    ...loads("start-section-logs", "a (start) section may write to standard output", [
      tells({ "x-start": "s" }),
    ]),
    envoy: { does: "crashes", why: "it touches the memory before the instance has exported it" },
  },
  loads("start-command", "_start alone runs", [tells({ "x-start": "c" })]),
  {
    ...loads("start-command-exits", "proc_exit(0) ends _start", [tells({ "x-start": "c" })]),
    envoy: { does: "refuses", why: "proc_exit is not allowed during start-up" },
  },
  loads("start-initialize", "_initialize alone runs", [tells({ "x-start": "i" })]),
  loads("start-initialize-main", "main runs after _initialize", [tells({ "x-start": "im" })]),
  loads("start-initialize-main-void", "so does __main_void", [tells({ "x-start": "iv" })]),
  loads("start-initialize-both-mains", "main is preferred to __main_void", [
    tells({ "x-start": "im" }),
  ]),
  loads("start-initialize-and-command", "_initialize is preferred to _start", [
    tells({ "x-start": "i" }),
  ]),
  refused("start-traps", "a trap in _initialize refuses the module", "unreachable"),
];

const VERSIONS: readonly TextModule[] = [
  loads("abi-0-1-0", "0.1.0: absent reads as Ok", [tells({ "x-absent-status": "0" })]),
  loads("abi-0-2-0", "0.2.0: absent reads as NotFound", [tells({ "x-absent-status": "1" })]),
  loads("abi-0-1-0-resume", "0.1.0: configuration and resume by its own hostcalls", [
    conformanceCase("text", "paused until the tick", {
      expect: {
        headers: { "x-toolbox": null },
        upstream: { headers: { "x-config": "text for the plugin" } },
      },
    }),
  ]),
  {
    ...loads("abi-two-markers", "the newest known marker counts", [
      tells({ "x-absent-status": "1" }),
    ]),
    envoy: {
      does: "answers",
      why: "the first marker counts",
      traffic: [tells({ "x-absent-status": "0" })],
    },
  },
  {
    ...loads("abi-0-2-100", "0.2.100: headers wait while the body is seen", [
      conformanceCase("text", "the body releases the headers", {
        request: CHUNKED_POST,
        expect: { headers: { "x-toolbox": null }, upstream: { headers: { "x-saw-body": "yes" } } },
      }),
    ]),
    envoy: { does: "refuses", why: "it does not know this version" },
  },
  refused("abi-no-marker", "a module without marker is refused", "ABI"),
  refused("abi-unknown-marker", "a module of an unknown ABI is refused", "ABI"),
  refused("link-unknown-import", "an import nobody serves is named", "proxy_no_such_hostcall"),
  refused("link-no-allocator", "a module without allocator is refused", "malloc"),
];

const ALLOCATORS: readonly TextModule[] = [
  loads("allocator-zero", "address 0 is InvalidMemoryAccess", [tells({ "x-status": "6" })]),
  {
    ...loads("allocator-both", "proxy_on_memory_allocate is preferred to malloc", [
      tells({ "x-allocator": "p" }),
    ]),
    envoy: {
      does: "answers",
      why: "malloc is preferred",
      traffic: [tells({ "x-allocator": "m" })],
    },
  },
];

/** The headers callback returns `value`; does the stream pause until the tick? */
function headersReturn(value: number, then: "passes" | "waits"): ConformanceCase {
  return conformanceCase("text", `headers callback returns ${value}: ${then}`, {
    request: { ...WHOLE_POST, headers: [["x-return-headers", String(value)]] },
    expect: {
      headers: { "x-toolbox": null },
      upstream: { headers: { "x-resumed": then === "waits" ? "tick" : null } },
    },
  });
}

/**
 * The body callback returns `value`.
 * @param sizes - of the body callbacks, one digit each; the end may come with the last part
 */
function bodyReturn(value: number, sizes: string, upstreamBody: string): ConformanceCase {
  return conformanceCase("text", `body callback returns ${value}`, {
    request: { ...CHUNKED_POST, headers: [["x-return-body", String(value)]] },
    expect: {
      headers: { "x-toolbox": null, "x-body-size": { matches: sizes } },
      upstream: { body: upstreamBody },
    },
  });
}

const RETURNS: readonly TextModule[] = [
  loads("return-values", "ContinueAndEndStream passes, every stop stops all", [
    headersReturn(0, "passes"),
    headersReturn(1, "waits"),
    headersReturn(2, "passes"),
    headersReturn(3, "waits"),
    headersReturn(4, "waits"),
    headersReturn(5, "waits"),
    headersReturn(77, "waits"),
  ]),
  {
    ...loads("return-values", "where the plugin may, StopIteration lets the body through", [
      headersReturn(0, "passes"),
      headersReturn(1, "passes"),
      headersReturn(3, "waits"),
      headersReturn(77, "waits"),
    ]),
    headersStopIteration: true,
  },
  loads("return-values", "buffering is cumulative, an unknown value drops the chunk", [
    bodyReturn(0, "230?", "abcde"),
    bodyReturn(1, "255?", "abcde"),
    bodyReturn(2, "230?", "abcde"),
    bodyReturn(3, "230?", ""),
    bodyReturn(4, "230?", ""),
    bodyReturn(77, "230?", ""),
  ]),
];

/** Modules that misbehave only when asked; what then happens belongs to the tests of the limits. */
const MISBEHAVING: readonly TextModule[] = [
  loads("infinite-loop", "without x-loop it passes", [tells({})]),
  loads("memory-hog", "its first 16 MiB are granted", [tells({ "x-pages": "grown" })]),
];

export const TEXT_MODULES: readonly TextModule[] = [
  ...STARTS,
  ...VERSIONS,
  ...ALLOCATORS,
  ...RETURNS,
  ...MISBEHAVING,
];
