/**
 * Substitution formats as the compiled configuration carries them: text with operators, in access
 * logs and header values.
 */
import type { HeaderMatch } from "../http/header-matcher.ts";

/** One piece of a substitution format string. */
export type FormatToken =
  | { readonly kind: "text"; readonly text: string }
  | {
      readonly kind: "operator";
      /** Without percent signs and argument: `REQ`, `START_TIME`, `RESPONSE_FLAGS`... */
      readonly name: string;
      /** Text between the parentheses, or "". `REQ(A?B)`: "A?B" with names lower-case. */
      readonly argument: string;
      /** Maximum length (`:12`), or -1. */
      readonly lengthMax: number;
    };
export type Format = readonly FormatToken[];

export type JsonFormat =
  | { readonly kind: "object"; readonly fields: readonly (readonly [string, JsonFormat])[] }
  | { readonly kind: "array"; readonly items: readonly JsonFormat[] }
  | { readonly kind: "string"; readonly format: Format }
  | { readonly kind: "literal"; readonly value: number | boolean | null };

/** Which streams are logged. */
export type LogFilterConfig =
  | {
      readonly kind: "status" | "duration";
      readonly op: "eq" | "ge" | "le";
      readonly value: number;
    }
  | { readonly kind: "and" | "or"; readonly filters: readonly LogFilterConfig[] }
  | { readonly kind: "header"; readonly header: HeaderMatch }
  /** No flags: any flag. */
  | { readonly kind: "flags"; readonly flags: readonly string[] }
  | {
      readonly kind: "grpcStatus";
      readonly statuses: readonly number[];
      readonly exclude: boolean;
    };

/** A whole line or body. */
export type TextOrJsonFormat =
  | { readonly kind: "text"; readonly format: Format }
  | { readonly kind: "json"; readonly json: JsonFormat };

export interface AccessLogConfig {
  readonly sink:
    | { readonly kind: "stdout" | "stderr" }
    | { readonly kind: "file"; readonly path: string };
  /** Null: every stream. */
  readonly filter: LogFilterConfig | null;
  readonly format: TextOrJsonFormat;
  readonly omitEmptyValues: boolean;
}
