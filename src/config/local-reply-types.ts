/**
 * `local_reply_config` as the compiled configuration carries it.
 */
import type { LogFilterConfig, TextOrJsonFormat } from "./format-types.ts";
import type { HeaderMutation } from "./route-types.ts";

export interface LocalReplyConfig {
  /** The first whose filter lets the reply through rewrites it. */
  readonly mappers: readonly LocalReplyMapperConfig[];
  /** Null: the body goes out as it is. */
  readonly bodyFormat: LocalReplyFormatConfig | null;
}

export interface LocalReplyMapperConfig {
  readonly filter: LogFilterConfig;
  /** Null: the status stays. */
  readonly status: number | null;
  /** Null: the body stays. */
  readonly body: Uint8Array | null;
  readonly bodyFormat: LocalReplyFormatConfig | null;
  readonly headersToAdd: readonly HeaderMutation[];
}

export interface LocalReplyFormatConfig {
  readonly format: TextOrJsonFormat;
  readonly omitEmptyValues: boolean;
  readonly contentType: string;
}
