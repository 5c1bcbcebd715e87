/**
 * Filters that ask another service, on real sockets: what the service and the guest see. The shapes
 * of failure are Envoy 1.40's. The same filter of each SDK gives the same answers.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { CLOSED_PORT, cluster } from "../harness/config.ts";
import {
  FakeUpstream,
  type FakeUpstreamConnection,
  plainResponse,
} from "../harness/fake-upstream.ts";
import { FilterRig, REPOSITORY_ROOT, type RequestParts } from "../harness/filter-rig.ts";
import type { RawRequest } from "../harness/raw-requests.ts";
import { valuesOf } from "../harness/raw-responses.ts";

/** Those with Wasm code of the filter. */
const SDKS = ["rust", "go", "assemblyscript"] as const;
type Sdk = (typeof SDKS)[number];

const codeOf = (sdk: Sdk): Uint8Array =>
  readFileSync(join(REPOSITORY_ROOT, `examples/filters/${sdk}/callouts/callouts.wasm`));
const limits = { timeout: 20_000 };

type Service = (request: RawRequest, connection: FakeUpstreamConnection) => void;

let rig: FilterRig;
let service: FakeUpstream;
/** What the asked service got. */
const asked: RawRequest[] = [];
let answer: Service = () => undefined;

const say =
  (text: string): Service =>
  (_, connection) =>
    connection.write(text);
/** Writes the text and then cuts the connection. */
const sayAndReset =
  (text: string): Service =>
  (_, connection) => {
    connection.socket.write(text, "latin1", () => connection.reset());
  };

before(async () => {
  service = await FakeUpstream.listen({
    onRequest: (request, connection) => {
      asked.push(request);
      answer(request, connection);
    },
  });
  const none = "  - {name: none, type: STATIC, load_assignment: {cluster_name: none}}\n";
  const clusters = cluster("service", service.port) + cluster("dead", CLOSED_PORT) + none;
  answer = say(plainResponse(200, "configured"));
  rig = await FilterRig.start(
    SDKS.flatMap((sdk) => {
      const code = codeOf(sdk);
      const asked = `service|/at-start-${sdk}|2000`;
      return [
        { name: sdk, plugins: [{ name: `callouts-${sdk}`, code }] },
        {
          name: `at-start-${sdk}`,
          plugins: [{ name: `starter-${sdk}`, vmId: `starter-${sdk}`, code, configuration: asked }],
        },
      ];
    }),
    clusters,
  );
});
after(async () => {
  await rig.stop();
  await service.close();
});
beforeEach(() => {
  asked.length = 0;
  rig.requests.length = 0;
});

const LOCAL = (status: number, text: string): string =>
  `(3,${text.length},0) [:status=${status} content-length=${text.length} content-type=text/plain] ` +
  `"${text}" []`;
const BEFORE = "upstream connect error or disconnect/reset before headers. reset reason: ";
/** The Go SDK does not read the status. */
const resetOf = (sdk: Sdk): string => `(0,0,0) [] "" []${sdk === "go" ? "" : ' 11 "reset"'}`;

for (const sdk of SDKS) {
  describe(`the ${sdk} filter`, () => {
    /** What the guest reports about the calls that it made. */
    async function report(calls: string, more = "", parts: RequestParts = {}): Promise<string> {
      const headers = `x-call: ${calls}\r\n${more}`;
      return (await rig.send(sdk, { ...parts, headers })).body;
    }

    const RESET = resetOf(sdk);

    it(
      "a call at configuration is made by the silo, not by the test run before it",
      limits,
      async () => {
        // The AssemblyScript SDK writes the level into the text.
        const mark = sdk === "assemblyscript" ? "[INFO]: " : "";
        const started = `${mark}root: started ok`;
        const lines = await rig.linesUntil(`starter-${sdk}`, started);
        assert.equal(lines.filter((line) => line === started).length, 1);
        const answered = (line: string): boolean => line.startsWith(`${mark}root: (3,10,0)`);
        while (!rig.lines(`starter-${sdk}`).some(answered)) await rig.send(sdk);
        const all = service.connections.flatMap(({ requests }) => requests);
        assert.equal(all.filter(({ target }) => target === `/at-start-${sdk}`).length, 1);
      },
    );

    it("a request waits for the answer and goes on", limits, async () => {
      answer = say(plainResponse(200, "yes"));
      const { status } = await rig.send(sdk, {
        headers: "x-call: service|/ask?a=1|1000\r\nx-call-then: continue\r\n",
      });
      assert.equal(status, 200);
      const request = asked[0] as RawRequest;
      assert.match(request.head, /^GET \/ask\?a=1 HTTP\/1\.1\r\nhost: callout\.example\r\n/);
      assert.match(
        request.head,
        /\r\nx-envoy-internal: true\r\nx-envoy-expected-rq-timeout-ms: 1000/,
      );
      assert.doesNotMatch(request.head, /x-forwarded-for|x-request-id/);
      assert.match(rig.requests[0]?.head ?? "", /\r\nx-answers: 1\r\n/);
    });

    it("the guest sees status, fields, body and trailers of the answer", limits, async () => {
      answer = say(
        "HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\nx-a: 1\r\n\r\n3\r\nyes\r\n0\r\nx-t: end\r\n\r\n",
      );
      assert.match(
        await report("service|/|1000"),
        /^\(4,3,1\) \[:status=201 transfer-encoding=chunked x-a=1 x-envoy-upstream-service-time=\d+\] "yes" \[x-t=end\]/,
      );
    });

    it("body and trailers of the call reach the service", limits, async () => {
      answer = say(plainResponse(200, ""));
      await report("service|/|1000", "x-call-body: question\r\n");
      assert.equal(asked[0]?.body, "question");
      assert.match(asked[0]?.head ?? "", /^POST .*\r\ncontent-length: 8\r\n/s);
      await report("service|/|1000", "x-call-trailer: end\r\n");
      assert.deepEqual(asked[1]?.trailers, [["x-trailer", "end"]]);
    });

    it("several calls of one stream run side by side", limits, async () => {
      const waiting: FakeUpstreamConnection[] = [];
      answer = (_, connection) => {
        waiting.push(connection);
        // Nobody is answered before all have asked.
        if (waiting.length === 3) for (const one of waiting) one.write(plainResponse(200, "x"));
      };
      const text = await report("service|/1|5000;service|/2|5000;service|/3|5000");
      assert.equal(text.split("\n").length, 3);
    });

    it("a response can wait for an answer as well", limits, async () => {
      answer = say(plainResponse(200, "yes"));
      const headers =
        "x-call: service|/|1000\r\nx-call-phase: response\r\nx-call-then: continue\r\n";
      const response = await rig.send(sdk, { headers });
      assert.deepEqual(valuesOf(response.headers, "x-answers"), ["1"]);
      assert.equal(response.body, "hello");
    });

    it("a request whose end was held back waits in its body", limits, async () => {
      answer = say(plainResponse(200, "yes"));
      const headers = "x-call: service|/|1000\r\nx-call-phase: body\r\nx-call-then: continue\r\n";
      const { status } = await rig.send(sdk, { method: "POST", body: "payload", headers });
      assert.equal(status, 200);
      assert.equal(rig.requests[0]?.body, "payload");
    });

    it("an answer for a stream that has gone harms nobody", limits, async () => {
      const late: FakeUpstreamConnection[] = [];
      answer = (_, connection) => {
        late.push(connection);
      };
      const gone = { headers: "x-call: service|/|5000\r\nx-call-then: forget\r\n" };
      assert.equal((await rig.send(sdk, gone)).status, 200);
      while (late.length === 0) await rig.send(sdk);
      late[0]?.write(plainResponse(200, "late"));
      answer = say(plainResponse(200, "yes"));
      assert.match(await report("service|/|1000"), /"yes"/);
      assert.equal(await rig.proxy.stat("granary.callouts.active"), 0);
    });

    it("failures before the answer begins are answers of the proxy's own", limits, async () => {
      /** The report is this answer's, and what follows is nothing. */
      const gives = async (calls: string, expected: string): Promise<void> => {
        assert.equal((await report(calls)).slice(0, expected.length), expected);
      };
      answer = () => undefined;
      await gives("service|/|50", LOCAL(504, "upstream request timeout"));
      answer = (_, connection) => connection.reset();
      const reset = LOCAL(503, `${BEFORE}connection termination`);
      await gives("service|/|9000", reset);
      answer = (_, connection) => connection.end();
      await gives("service|/|9000", reset);
      answer = say("this is no HTTP\r\n\r\n");
      await gives("service|/|9000", LOCAL(502, `${BEFORE}protocol error`));
      // A head that is cut is malformed, or was never read, as the network has it.
      answer = sayAndReset("HTTP/1.1 200 OK\r\nx-half: ");
      assert.match(await report("service|/|9000"), /^\(3,\d+,0\) \[:status=50[23] /);
      await gives("dead|/|9000", LOCAL(503, `${BEFORE}remote connection failure`));
    });

    it("failures after that are resets: no header, no body, status 11", limits, async () => {
      const half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc";
      answer = sayAndReset(half);
      assert.equal(await report("service|/|9000"), RESET);
      answer = say(half);
      assert.equal(await report("service|/|50"), RESET);
      answer = sayAndReset(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-t: ",
      );
      assert.equal(await report("service|/|9000"), RESET);
    });

    it("an answer that is too large is a reset, and is not kept", limits, async () => {
      const tooLarge = (await rig.proxy.stat("granary.callouts.reply_too_large")) ?? 0;
      answer = (_, connection) => {
        connection.write("HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n");
        const more = (): void => {
          while (!connection.socket.destroyed && connection.socket.write(Buffer.alloc(1 << 20)));
          connection.socket.once("drain", more);
        };
        more();
      };
      assert.equal(await report("service|/|10000"), RESET);
      assert.equal((await rig.proxy.stat("granary.callouts.reply_too_large")) ?? 0, tooLarge + 1);
    });

    it("an answer that comes one byte at a time is put together", limits, async () => {
      answer = (_, connection) => {
        const text = plainResponse(200, "slowly");
        const next = (at: number): void => {
          connection.write(text.charAt(at));
          if (at + 1 < text.length) setImmediate(next, at + 1);
        };
        next(0);
      };
      assert.match(await report("service|/|5000"), /^\(3,6,0\) .* "slowly" /);
    });

    it("calls that cannot be started are refused on the spot", limits, async () => {
      assert.equal(await report("none|/|1000"), "refused 10");
      assert.equal(await report("unknown|/|1000"), "refused 2");
      assert.equal(await report("service|/|9000", "x-call-drop: :path\r\n"), "refused 2");
      assert.equal(await report("service|/|9000", "x-call-drop: :authority\r\n"), "refused 2");
      assert.equal(asked.length, 0);
    });

    it("callouts count in the stats of their cluster", limits, async () => {
      answer = say(plainResponse(418, "short and stout"));
      const before = (await rig.proxy.stat("cluster.service.upstream_rq_418")) ?? 0;
      await report("service|/|9000");
      assert.equal(await rig.proxy.stat("cluster.service.upstream_rq_418"), before + 1);
    });
  });
}
