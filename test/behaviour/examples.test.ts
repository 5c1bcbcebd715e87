/** The examples, run as their READMEs say, in Rust and in TypeScript. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { REPOSITORY_ROOT, untilLogged } from "../harness/filter-rig.ts";
import { type ProxyProcess, startProxy } from "../harness/proxy.ts";

const limits = { timeout: 30_000 };
const VARIANTS = ["rust", "typescript"] as const;

interface Services {
  readonly ports: Readonly<Record<string, number>>;
  closeOne(name: string): Promise<void>;
  close(): Promise<void>;
}
interface Issuer {
  readonly asked: number;
  token(claims: object, header?: object): string;
}

/** The example's services on free ports. */
async function start<S extends Services>(
  example: string,
  ports: Readonly<Record<string, number>>,
): Promise<S> {
  const file = join(REPOSITORY_ROOT, "examples", example, "services.mjs");
  const { startServices } = await import(pathToFileURL(file).href);
  return startServices(ports);
}

/** The example's configuration with these ports instead of 10001 and 10002. */
function configuration(example: string, variant: string, [first, second]: number[]): string {
  const file = join(REPOSITORY_ROOT, "examples", example, `${variant}.yaml`);
  const [, ...rest] = readFileSync(file, "utf8").split("port_value: 9901 }\n");
  return rest
    .join("")
    .replaceAll("filename: examples/", `filename: ${REPOSITORY_ROOT}/examples/`)
    .replaceAll("port_value: 10000", "port_value: 0")
    .replaceAll("port_value: 10001", `port_value: ${first}`)
    .replaceAll("port_value: 10002", `port_value: ${second}`);
}

type Answer = readonly [status: number, body: string];

function ask(
  port: number,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: "127.0.0.1", port, path, headers, agent: false };
    const outgoing = request(options, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (part: string) => {
        body += part;
      });
      response.on("end", () => resolve([response.statusCode ?? 0, body]));
    });
    outgoing.on("error", reject);
    outgoing.end();
  });
}

for (const variant of VARIANTS) {
  describe(`ext-auth, ${variant}`, () => {
    let services: Services;
    let proxy: ProxyProcess;
    let open: ProxyProcess;
    const get = (which: ProxyProcess, path: string, token = "") =>
      ask(which.port("ext-auth"), path, token === "" ? {} : { authorization: `Bearer ${token}` });

    before(async () => {
      services = await start("ext-auth", { upstream: 0, auth: 0 });
      const { upstream = 0, auth = 0 } = services.ports;
      // Long enough for a busy machine.
      const yaml = configuration("ext-auth", variant, [upstream, auth]).replace(
        "timeout_ms=200",
        "timeout_ms=3000",
      );
      proxy = await startProxy({ yaml });
      open = await startProxy({ yaml: yaml.replace("on_failure=deny", "on_failure=allow") });
    });
    after(async () => {
      await proxy.stop();
      await open.stop();
      await services.close();
    });

    test("the service's word decides, and names the user", limits, async () => {
      assert.deepEqual(await get(proxy, "/", "alice-token"), [200, "GET /\nx-user: alice\n"]);
      assert.deepEqual(await get(proxy, "/admin", "alice-token"), [
        200,
        "GET /admin\nx-user: alice\n",
      ]);
      assert.deepEqual(await get(proxy, "/admin", "bob-token"), [403, "bob is no administrator\n"]);
      assert.deepEqual(await get(proxy, "/"), [401, "who are you?\n"]);
    });

    test("a client cannot name the user itself", limits, async () => {
      const headers = { authorization: "Bearer bob-token", "x-user": "alice" };
      const [, body] = await ask(proxy.port("ext-auth"), "/", headers);
      assert.equal(body, "GET /\nx-user: bob\n");
    });

    test("a service that does not answer is the failure policy's matter", limits, async () => {
      const denied = await get(proxy, "/slow", "alice-token");
      assert.deepEqual(denied, [503, "authorization unavailable\n"]);
      const allowed = await get(open, "/slow", "alice-token");
      assert.deepEqual(allowed, [200, "GET /slow\nx-auth: unavailable\n"]);
    });
  });

  describe(`rate-limit, ${variant}`, () => {
    let services: Services;
    let proxy: ProxyProcess;
    const get = (key: string) =>
      ask(proxy.port("rate-limit"), "/", key === "" ? {} : { "x-api-key": key });

    before(async () => {
      services = await start("rate-limit", { upstream: 0, ratelimit: 0 });
      const { upstream = 0, ratelimit = 0 } = services.ports;
      // A window that no test is long enough to leave.
      const yaml = configuration("rate-limit", variant, [upstream, ratelimit]).replace(
        "window_ms=10000",
        "window_ms=1000000000",
      );
      proxy = await startProxy({ yaml, concurrency: 2 });
    });
    after(async () => {
      await proxy.stop();
      await services.close();
    });

    test("all silos count a key together, each key alone", limits, async () => {
      // Connections go to the silos in turn.
      for (const left of [2, 1, 0]) {
        assert.deepEqual(await get("one"), [200, `GET /\nx-ratelimit-remaining: ${left}\n`]);
      }
      for (let i = 0; i < 4; i++) assert.deepEqual(await get("one"), [429, "slow down\n"]);
      assert.deepEqual(await get("two"), [200, "GET /\nx-ratelimit-remaining: 2\n"]);
    });

    test("requests at the same time are counted exactly", limits, async () => {
      const answers = await Promise.all([...Array(20).keys()].map(() => get("crowd")));
      assert.equal(answers.filter(([status]) => status === 200).length, 3);
    });

    test("the gRPC service can say no; a request without a key is none", limits, async () => {
      assert.deepEqual(await get("blocked"), [429, "slow down\n"]);
      assert.deepEqual(await get(""), [401, "x-api-key is missing\n"]);
    });

    test("without the service the count alone decides", limits, async () => {
      await services.closeOne("ratelimit");
      assert.deepEqual(await get("alone"), [200, "GET /\nx-ratelimit-remaining: 2\n"]);
    });
  });

  describe(`jwt, ${variant}`, () => {
    let services: Services & { readonly issuer: Issuer };
    let proxy: ProxyProcess;
    const claims = {
      iss: "https://issuer.example",
      aud: "edge",
      sub: "somebody",
      exp: 32_503_680_000,
    };
    const get = (token: string) =>
      ask(proxy.port("jwt"), "/", token === "" ? {} : { authorization: `Bearer ${token}` });

    before(async () => {
      services = await start("jwt", { upstream: 0, issuer: 0 });
      const { upstream = 0, issuer = 0 } = services.ports;
      const yaml = configuration("jwt", variant, [upstream, issuer]);
      proxy = await startProxy({ yaml, concurrency: 2 });
      await untilLogged(proxy, (line) => line.includes("1 keys are kept"));
    });
    after(async () => {
      await proxy.stop();
      await services.close();
    });

    test(
      "a good token lets the request through on every silo, the keys were fetched once",
      limits,
      async () => {
        const token = services.issuer.token(claims);
        for (let i = 0; i < 4; i++) {
          assert.deepEqual(await get(token), [200, "GET /\nx-subject: somebody\n"]);
        }
        assert.equal(services.issuer.asked, 1);
      },
    );

    test("every other token is refused, and told why", limits, async () => {
      const { issuer } = services;
      const good = issuer.token(claims);
      const none = Buffer.from('{"alg":"none"}').toString("base64url");
      const rows: [string, string][] = [
        ["", "a bearer token is missing"],
        ["abc", "the token is malformed"],
        ["a.b.c", "the token is malformed"],
        [`bnVsbA.${good.split(".").slice(1).join(".")}`, "the token"],
        [`${none}.${good.split(".")[1]}.`, "the token's algorithm is not RS256"],
        [issuer.token(claims, { alg: "HS256" }), "the token's algorithm is not RS256"],
        [issuer.token(claims, { kid: "other" }), "the token's key is unknown"],
        [`${good.slice(0, -8)}AAAAAAAA`, "the token's signature is wrong"],
        [issuer.token({ ...claims, exp: 1 }), "the token has expired"],
        [issuer.token({ ...claims, nbf: 32_503_680_000 }), "the token is not valid yet"],
        [issuer.token({ ...claims, aud: ["x"] }), "the token is not for this service"],
        [issuer.token({ ...claims, iss: "me" }), "the token is not for this service"],
      ];
      for (const [token, reason] of rows) {
        const [status, body] = await get(token);
        assert.equal(status, 401, token);
        assert.ok(body.startsWith(reason), `${reason}: ${body}`);
      }
      assert.deepEqual((await get(issuer.token({ ...claims, aud: ["x", "edge"] })))[0], 200);
    });
  });
}

/** The same filter in three languages: the configuration is that of the first. */
const COROUTINES = {
  rust: "examples/coroutines/rust/coroutines.wasm",
  assemblyscript: "examples/filters/assemblyscript/coroutines/coroutines.wasm",
  go: "examples/filters/go/coroutines/coroutines.wasm",
} as const;
const TOO_LARGE = "a module of Go is too large to be made to suspend: needs Node 24";

for (const [language, module] of Object.entries(COROUTINES)) {
  const skip = language === "go" && !("Suspending" in WebAssembly) ? TOO_LARGE : false;
  describe(`coroutines, ${language}`, { skip }, () => {
    let services: Services;
    let proxy: ProxyProcess;
    const get = (path: string, token = "") =>
      ask(
        proxy.port("coroutines"),
        path,
        token === "" ? {} : { authorization: `Bearer ${token}`, "x-user": "mallory" },
      );

    before(async () => {
      services = await start("coroutines", { upstream: 0, auth: 0 });
      const { upstream = 0, auth = 0 } = services.ports;
      const yaml = configuration("coroutines", "rust", [upstream, auth]);
      proxy = await startProxy({ yaml: yaml.replace(COROUTINES.rust, module) });
    });
    after(async () => {
      await proxy?.stop();
      await services?.close();
    });

    test("the service is asked in the middle of the callback", limits, async () => {
      const allowed = "GET /\nx-user: alice\nx-attempts: 1\n";
      assert.deepEqual(await get("/", "alice-token"), [200, allowed]);
      assert.deepEqual(await get("/"), [401, "who are you?\n"]);
    });

    test("a busy service is asked again, up to a limit", limits, async () => {
      const allowed = "GET /busy\nx-user: bob\nx-attempts: 3\n";
      assert.deepEqual(await get("/busy", "bob-token"), [200, allowed]);
      assert.deepEqual(await get("/down", "bob-token"), [503, "authorization unavailable\n"]);
      await services.closeOne("auth");
      assert.deepEqual(await get("/", "bob-token"), [503, "authorization unavailable\n"]);
    });
  });
}
