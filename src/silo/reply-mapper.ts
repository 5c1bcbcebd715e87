/**
 * Rewrites local replies by `local_reply_config`: the first mapper that matches changes status,
 * body and headers; then the body is formatted. Compiled once.
 */
import type {
  HeaderMutation,
  LocalReplyConfig,
  LocalReplyFormatConfig,
  LocalReplyMapperConfig,
} from "../config/types.ts";
import { compileWhole, type WholeText } from "./format-line.ts";
import { addHeaders } from "./header-mutations.ts";
import { buildLocalReply, type LocalReplyMessage, type LocalReplyParts } from "./local-reply.ts";
import { compileFilter, type LogFilter } from "./log-filter.ts";
import type { StreamInfo } from "./stream-info.ts";

/** What becomes of a reply. */
export interface MappedReply {
  readonly parts: LocalReplyParts;
  readonly headersToAdd: readonly HeaderMutation[];
}

const NO_HEADERS: readonly HeaderMutation[] = [];

interface BodyFormat {
  readonly text: WholeText;
  readonly contentType: string;
}

interface Mapper {
  readonly filter: LogFilter;
  readonly to: LocalReplyMapperConfig;
  readonly format: BodyFormat | null;
}

function compileBody(config: LocalReplyFormatConfig | null): BodyFormat | null {
  if (config === null) return null;
  const text = compileWhole(config.format, config.omitEmptyValues ? "omit" : "show");
  return { text, contentType: config.contentType };
}

export class ReplyMapper {
  readonly #mappers: readonly Mapper[];
  readonly #format: BodyFormat | null;

  constructor(config: LocalReplyConfig) {
    this.#mappers = config.mappers.map((to) => ({
      filter: compileFilter(to.filter),
      to,
      format: compileBody(to.bodyFormat),
    }));
    this.#format = compileBody(config.bodyFormat);
  }

  /** `info` gets the status, which filters and formats ask for. */
  map(parts: LocalReplyParts, info: StreamInfo): MappedReply {
    info.responseCode = parts.status;
    const mapper = this.#mappers.find(({ filter }) => filter(info)) ?? null;
    const status = mapper?.to.status ?? parts.status;
    const body = mapper?.to.body ?? parts.body;
    const format = mapper?.format ?? this.#format;
    info.responseCode = status;
    info.localReplyBody = Buffer.from(body).toString("latin1");
    const headersToAdd = mapper?.to.headersToAdd ?? NO_HEADERS;
    if (format === null) return { parts: { ...parts, status, body }, headersToAdd };
    const text = format.text(info);
    const headers = parts.headers.filter(([name]) => name.toLowerCase() !== "content-type");
    return {
      parts: {
        ...parts,
        status,
        body: Buffer.from(text, "latin1"),
        headers: [...headers, ["content-type", format.contentType]],
      },
      headersToAdd,
    };
  }
}

/** The message for `parts`, after `local_reply_config` where there is one. */
export function localReplyMessage(
  parts: LocalReplyParts,
  info: StreamInfo,
  mapper: ReplyMapper | null,
): LocalReplyMessage {
  if (mapper === null) return buildLocalReply(parts, info.requestHeaders);
  const mapped = mapper.map(parts, info);
  const message = buildLocalReply(mapped.parts, info.requestHeaders);
  addHeaders(message.headers, mapped.headersToAdd, info);
  return message;
}
