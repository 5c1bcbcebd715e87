/**
 * `npm start`: sets up what is missing and runs the proxy with the quickstart configuration and its
 * embedded upstream. Arguments after `--` go to `granary`; with a configuration of their own the
 * quickstart stays out of it: `npm start -- -c my.yaml`.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, setUp, withSetupErrors } from "./setup.mjs";

const QUICKSTART = join("examples", "quickstart");
const OWN_CONFIG = /^(?:-c|--config-path|--config-yaml|--help|-h|--version|inspect)(?:=|$)/;

function urlOf({ host, port }) {
  const reachable = { "0.0.0.0": "127.0.0.1", "::": "::1" }[host] ?? host;
  return `http://${reachable.includes(":") ? `[${reachable}]` : reachable}:${port}`;
}

/** What to do next, for a person who sees this for the first time. */
function greeting({ listeners, admin }) {
  const lines = listeners.map(({ name, address }) => `  listener ${name}: ${urlOf(address)}`);
  if (admin !== null) lines.push(`  admin interface: ${urlOf(admin)}`);
  const [first] = listeners;
  const tries = [];
  if (first !== undefined) {
    tries.push(`curl -i ${urlOf(first.address)}/`);
    tries.push(`curl -i -d 'hello' ${urlOf(first.address)}/echo`);
  }
  if (admin !== null) tries.push(`curl '${urlOf(admin)}/stats?usedonly'`);
  return ["", "Granary is ready.", ...lines, "", "Try:", ...tries.map((line) => `  ${line}`), ""];
}

async function importFile(...path) {
  return import(pathToFileURL(join(ROOT, ...path)).href);
}

/** Starts the upstream where the first cluster of the quickstart expects it. */
async function startQuickstartUpstream(config) {
  const { startUpstream } = await importFile(QUICKSTART, "upstream.mjs");
  const port = config.clusters[0]?.endpoints[0]?.port;
  return startUpstream(port);
}

await withSetupErrors(async () => {
  await setUp();
  const { main } = await importFile("dist", "src", "main", "main.js");
  const given = process.argv.slice(2);
  const isQuickstart = !given.some((argument) => OWN_CONFIG.test(argument));
  const argv = isQuickstart ? ["-c", join(ROOT, QUICKSTART, "envoy.yaml"), ...given] : given;
  let failed = false;
  let stopUpstream = () => {};
  const onServing = async (report) => {
    try {
      if (isQuickstart) stopUpstream = await startQuickstartUpstream(report.config);
      process.stdout.write(`${greeting(report).join("\n")}\n`);
    } catch (error) {
      failed = true;
      process.stderr.write(`granary start: the upstream did not start: ${error.message}\n`);
      process.kill(process.pid, "SIGTERM");
    }
  };
  const exitCode = await main(argv, { onServing: (report) => void onServing(report) });
  stopUpstream();
  process.exit(failed ? 1 : exitCode);
});
