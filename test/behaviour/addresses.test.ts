/**
 * Who the client is: over IPv4 and IPv6, directly and behind proxies that are trusted. The answers
 * are those of Envoy 1.40, but for the address of a client on loopback (docs/host-differences.md).
 */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import { bootstrap, cluster, listener } from "../harness/config.ts";
import { FakeUpstream, plainResponse } from "../harness/fake-upstream.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";

const FORMAT =
  "LOG %REQ(X-CASE)% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%\\n";
const LOG = `access_log: [{name: l, typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StderrAccessLog, log_format: {text_format_source: {inline_string: "${FORMAT}"}}}}]`;
const HOSTS = ["127.0.0.1", "::1"] as const;
type Host = (typeof HOSTS)[number];

interface Hops {
  readonly name: string;
  /** `use_remote_address` and `xff_num_trusted_hops`. */
  readonly edge: boolean;
  readonly hops: number;
}
const WAYS: readonly Hops[] = [true, false].flatMap((edge) =>
  [0, 1, 2].map((hops) => ({ name: `${edge ? "edge" : "inner"}-${hops}`, edge, hops })),
);

let upstream: FakeUpstream;
let proxy: ProxyProcess;
let cases = 0;

before(async () => {
  upstream = await FakeUpstream.listen({
    onRequest: (request, connection) => connection.write(plainResponse(200, request.head)),
  });
  const listeners = WAYS.flatMap(({ name, edge, hops }) =>
    HOSTS.map((host) => {
      const hcm = `use_remote_address: ${edge}, xff_num_trusted_hops: ${hops}, ${LOG}`;
      const text = listener({ name: `${name}-${host === "::1" ? 6 : 4}`, hcm });
      return text.replace("address: 127.0.0.1,", `address: "${host}",`);
    }),
  );
  proxy = await startProxy({ yaml: bootstrap(listeners, [cluster("upstream", upstream.port)]) });
});

after(async () => {
  await upstream.close();
  assert.equal(await proxy.stop(), 0);
});

/** `x-forwarded-for` and `x-envoy-external-address` at the upstream, and the logged addresses. */
async function seen(way: Hops, host: Host, forwarded: string | null): Promise<readonly string[]> {
  const name = `case-${cases++}`;
  const port = proxy.port(`${way.name}-${host === "::1" ? 6 : 4}`);
  const socket = connect({ port, host });
  const field = forwarded === null ? "" : `x-forwarded-for: ${forwarded}\r\n`;
  socket.write(`GET / HTTP/1.1\r\nhost: a\r\nx-case: ${name}\r\nconnection: close\r\n${field}\r\n`);
  let text = "";
  for await (const bytes of socket) text += String(bytes);
  const logged = new RegExp(`LOG ${name} (.*)\n`);
  while (!logged.test(proxy.log)) await new Promise((resolve) => setImmediate(resolve));
  const at = (key: string) => new RegExp(`\r\n${key}: ([^\r]*)`).exec(text)?.[1] ?? "-";
  const addresses = logged.exec(proxy.log)?.[1] ?? "";
  return [at("x-forwarded-for"), at("x-envoy-external-address"), addresses];
}

/** What comes of `1.1.1.1, 2.2.2.2`: the trusted address from the right, or none. */
const FROM_RIGHT = ["2.2.2.2", "1.1.1.1"];

for (const host of HOSTS) {
  for (const way of WAYS) {
    test(`a client at ${host}, ${way.name}: who it is and what goes on`, async () => {
      const list = "1.1.1.1, 2.2.2.2";
      const trusted = FROM_RIGHT[way.edge ? way.hops - 1 : way.hops] ?? host;
      assert.deepEqual(await seen(way, host, list), [
        way.edge ? `${list},${host}` : list,
        way.edge ? trusted : "-",
        `${trusted} ${host} ${host}`,
      ]);
      for (const nobody of [null, "junk"]) {
        const rest = nobody === null ? "" : `${nobody},`;
        assert.deepEqual(await seen(way, host, nobody), [
          way.edge ? rest + host : (nobody ?? "-"),
          way.edge ? host : "-",
          `${host} ${host} ${host}`,
        ]);
      }
    });
  }
}
