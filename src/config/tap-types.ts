/** The HTTP tap filter, compiled. */
import type { HeaderMatchConfig } from "./route-types.ts";

export interface TapFilterConfig {
  readonly kind: "tap";
  /** Name of the http_filters entry. */
  readonly name: string;
  readonly match: TapMatchConfig;
  readonly format: TapFormat;
  /** Files are called `<path_prefix>_<id>.<ending>`. */
  readonly pathPrefix: string;
  /** Bytes of a request's and of a response's body that are kept. */
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
  readonly recordsTimes: boolean;
  readonly recordsConnection: boolean;
}

/** As Envoy's `OutputSink.Format`. */
export type TapFormat = "jsonBytes" | "jsonString" | "binary" | "delimited" | "text";

/** Which streams are written. */
export type TapMatchConfig =
  | { readonly kind: "any" }
  | { readonly kind: "or"; readonly rules: readonly TapMatchConfig[] }
  | { readonly kind: "and"; readonly rules: readonly TapMatchConfig[] }
  | { readonly kind: "not"; readonly rule: TapMatchConfig }
  /** All of `headers` match one part of the stream; a part that never came does not match. */
  | {
      readonly kind: "headers";
      readonly part: TapPart;
      readonly headers: readonly HeaderMatchConfig[];
    };

export type TapPart = "requestHeaders" | "requestTrailers" | "responseHeaders" | "responseTrailers";
