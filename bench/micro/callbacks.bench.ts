/**
 * Nanoseconds of each callback: entering a guest that returns at once, with everything that Granary
 * does around it, on a thread whose roles do nothing.
 *
 * `node dist/bench/micro/callbacks.bench.js`
 */
import { startModule } from "../../test/harness/plugin-fixture.ts";
import { CONTINUE, scriptedGuest } from "../../test/harness/scripted-guest.ts";
import { measure } from "./measure.ts";

const COUNT = 20_000;

const fixture = startModule(
  scriptedGuest(() => ({
    proxy_on_request_headers: [CONTINUE],
    proxy_on_request_body: [CONTINUE],
    proxy_on_request_trailers: [CONTINUE],
    proxy_on_response_headers: [CONTINUE],
    proxy_on_response_body: [CONTINUE],
    proxy_on_response_trailers: [CONTINUE],
    proxy_on_log: [],
  })),
);
fixture.thread.level = 6;

const { context } = fixture.open();
context.enter();
const CALLBACKS = {
  proxy_on_request_headers: () => context.onRequestHeaders(3, false),
  proxy_on_request_body: () => context.onRequestBody(10, false),
  proxy_on_request_trailers: () => context.onRequestTrailers(1),
  proxy_on_response_headers: () => context.onResponseHeaders(3, false),
  proxy_on_response_body: () => context.onResponseBody(10, false),
  proxy_on_response_trailers: () => context.onResponseTrailers(1),
} as const;

for (const [name, call] of Object.entries(CALLBACKS)) {
  measure(name, COUNT, (count) => {
    for (let i = 0; i < count; i++) call();
  });
}
measure("proxy_on_context_create, _log, _done and _delete", COUNT, (count) => {
  for (let i = 0; i < count; i++) {
    const opened = fixture.open().context;
    opened.enter();
    opened.onLog();
    opened.onDestroy();
  }
});
