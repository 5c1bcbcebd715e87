/** The benchmark filter, as the Rust one: one header on the request, one on the response. */
import type { Filter } from "granary";

export default {
  onRequestHeaders(ctx) {
    ctx.request.headers.add("x-granary-request", "1");
  },
  onResponseHeaders(ctx) {
    ctx.response.headers.add("x-granary-filter", "typescript");
  },
} satisfies Filter;
