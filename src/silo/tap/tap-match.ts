/** Whether a stream is written by a tap: its rules over what the stream had. Compiled once. */
import type { TapMatchConfig, TapPart } from "../../config/types.ts";
import type { HeaderMap } from "../../http/header-map.ts";
import { HeaderMatcher, matchesAll } from "../../http/header-matcher.ts";

/** What of the stream passed the tap; null = never came. */
export type TappedParts = Readonly<Record<TapPart, HeaderMap | null>>;

export type TapMatch = (parts: TappedParts) => boolean;

export function compileTapMatch(config: TapMatchConfig): TapMatch {
  switch (config.kind) {
    case "any":
      return () => true;
    case "or": {
      const rules = config.rules.map(compileTapMatch);
      return (parts) => rules.some((rule) => rule(parts));
    }
    case "and": {
      const rules = config.rules.map(compileTapMatch);
      return (parts) => rules.every((rule) => rule(parts));
    }
    case "not": {
      const rule = compileTapMatch(config.rule);
      return (parts) => !rule(parts);
    }
    case "headers": {
      const { part } = config;
      const matchers = config.headers.map((header) => new HeaderMatcher(header));
      return (parts) => {
        const headers = parts[part];
        return headers !== null && matchesAll(matchers, headers);
      };
    }
  }
}
