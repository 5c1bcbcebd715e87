/** A whole stream without bodies through one plugin on fake roles, for benches of the VM alone. */
import { HeaderMap } from "../../src/http/header-map.ts";
import type { Plugin } from "../../src/vm/types.ts";
import { FakeStream } from "../../test/harness/fake-roles.ts";

/** From its creation to its deletion; the plugin may change the headers of both messages. */
export function headerStream(plugin: Plugin): void {
  const stream = new FakeStream();
  stream.maps[0] = HeaderMap.of([
    [":path", "/"],
    [":method", "GET"],
    [":authority", "a.example"],
  ]);
  stream.maps[2] = HeaderMap.of([[":status", "200"]]);
  stream.writableMaps.add(2);
  const context = plugin.createStream(stream);
  context?.onRequestHeaders(3, true);
  context?.onResponseHeaders(1, true);
  context?.onLog();
  context?.onDestroy();
}
