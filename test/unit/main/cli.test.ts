import assert from "node:assert/strict";
import { homedir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { parseCommandLine, type ServeOptions } from "../../../src/main/cli.ts";
import { FLAGS, helpText } from "../../../src/main/cli-options.ts";

function options(...argv: string[]): ServeOptions {
  const command = parseCommandLine(argv, 4);
  assert.equal(command.kind, "run", JSON.stringify(command));
  return command.kind === "run" ? command.options : assert.fail();
}

function problem(...argv: string[]): string {
  const command = parseCommandLine(argv, 4);
  assert.equal(command.kind, "error", JSON.stringify(command));
  return command.kind === "error" ? command.message : assert.fail();
}

describe("command line", () => {
  it("fills in Envoy's defaults when only a configuration is named", () => {
    assert.deepEqual(options("-c", "envoy.yaml"), {
      configPath: "envoy.yaml",
      configYaml: "",
      concurrency: 4,
      mode: "serve",
      logLevel: "info",
      componentLevels: [],
      logFormat: "[%Y-%m-%d %T.%e][%t][%l][%n] %v",
      adminAddressPath: "",
      drainTimeS: 600,
      drainStrategy: "gradual",
      transport: "auto",
      watch: false,
      accessLogFull: "drop",
      codeCachePath: join(
        process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"),
        "granary/code",
      ),
      registryAuthPath: "",
      sharedDataMib: 64,
      sharedDataPolicy: "refuse",
    });
  });

  it("reads every flag in both spellings of its value", () => {
    const read = options(
      "--config-path=a.yaml",
      "--config-yaml",
      "admin: {}",
      "--concurrency=2",
      "--mode",
      "validate",
      "-l",
      "debug",
      "--component-log-level",
      "wasm:trace,http:warn",
      "--log-format=%v",
      "--admin-address-path",
      "/tmp/admin",
      "--drain-time-s",
      "0",
      "--transport=codec",
      "--access-log-full=block",
      "--shared-data-mib=8",
      "--shared-data-policy=lru",
    );
    assert.equal(read.configPath, "a.yaml");
    assert.equal(read.configYaml, "admin: {}");
    assert.equal(read.concurrency, 2);
    assert.equal(read.mode, "validate");
    assert.equal(read.logLevel, "debug");
    assert.deepEqual(read.componentLevels, [
      ["wasm", "trace"],
      ["http", "warning"],
    ]);
    assert.equal(read.logFormat, "%v");
    assert.equal(read.adminAddressPath, "/tmp/admin");
    assert.equal(read.drainTimeS, 0);
    assert.equal(read.transport, "codec");
    assert.equal(read.accessLogFull, "block");
    assert.equal(read.sharedDataMib, 8);
    assert.equal(read.sharedDataPolicy, "lru");
  });

  it("needs a configuration from a file or from the command line", () => {
    assert.match(problem(), /--config-path and --config-yaml/);
    assert.equal(options("--config-yaml", "{}").configYaml, "{}");
  });

  it("refuses an unknown flag and a flag without its value, by name", () => {
    assert.match(problem("-c", "x", "--nonsense"), /--nonsense/);
    assert.match(problem("-c"), /config-path/);
    assert.match(problem("--config-path="), /config-path/);
  });

  it("refuses numbers that are no numbers or out of range", () => {
    for (const value of ["0", "-1", "1025", "two", "1.5", "1e2"]) {
      assert.match(problem("-c", "x", `--concurrency=${value}`), /--concurrency/);
    }
    assert.match(problem("-c", "x", "--drain-time-s=soon"), /--drain-time-s.*soon/);
  });

  it("refuses words that are not in the list and prints the list", () => {
    assert.match(problem("-c", "x", "--mode", "init_only"), /serve, validate/);
    assert.match(problem("-c", "x", "--transport", "quic"), /auto, codec, uws/);
    assert.match(problem("-c", "x", "-l", "loud"), /trace, debug, info/);
    assert.match(problem("-c", "x", "--component-log-level", "wasm"), /COMPONENT:LEVEL/);
    assert.match(problem("-c", "x", "--component-log-level", "rust:info"), /'rust' is not one of/);
  });

  it("knows inspect with exactly one file, and no other word", () => {
    assert.deepEqual(parseCommandLine(["inspect", "a.wasm"], 1), {
      kind: "inspect",
      path: "a.wasm",
    });
    assert.match(problem("inspect"), /one FILE\.wasm/);
    assert.match(problem("inspect", "a", "b"), /one FILE\.wasm/);
    assert.match(problem("serve"), /'serve'/);
  });

  it("makes of dev a configuration with the filter, or takes one that is given", () => {
    const alone = parseCommandLine(["dev", "f.ts", "--upstream", "https://a.example"], 8);
    assert.ok(alone.kind === "dev");
    assert.equal(alone.path, "f.ts");
    const { concurrency, watch, configYaml } = alone.options;
    assert.deepEqual([concurrency, watch], [1, true]);
    const { clusters, listeners } = JSON.parse(configYaml).static_resources;
    assert.equal(listeners[0].address.socket_address.port_value, 10_000);
    assert.equal(clusters[0].type, "STRICT_DNS");
    assert.match(JSON.stringify(clusters[0]), /"sni":"a.example"/);
    assert.match(configYaml, /"port_value":443/);
    const own = parseCommandLine(["dev", "f.ts", "-c", "x.yaml", "--concurrency", "2"], 8);
    assert.ok(own.kind === "dev");
    assert.deepEqual(
      [own.options.configPath, own.options.configYaml, own.options.concurrency],
      ["x.yaml", "", 2],
    );
    assert.match(problem("dev"), /one FILTER\.ts/);
    assert.match(problem("dev", "a.ts", "--upstream", "ftp://x"), /no http or https URL/);
    assert.match(problem("dev", "a.ts", "-c", "x", "--upstream", "http://x"), /not both/);
    assert.match(problem("-c", "x", "--upstream", "http://x"), /--upstream is for dev/);
    assert.match(problem("-c", "x", "--port", "1"), /--port is for dev/);
  });

  it("answers --help and --version whatever else is written", () => {
    assert.equal(parseCommandLine(["--help"], 1).kind, "help");
    assert.equal(parseCommandLine(["--version", "-c", "x"], 1).kind, "version");
  });

  it("names every flag in the help text", () => {
    const help = helpText();
    assert.ok(FLAGS.length > 0);
    for (const flag of FLAGS) assert.ok(help.includes(`--${flag.long}`), flag.long);
    assert.ok(help.split("\n").every((line) => line.length <= 110));
  });
});
