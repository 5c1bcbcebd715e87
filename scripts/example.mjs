/**
 * `npm run example NAME VARIANT`: an example with the services it asks, e.g. `ext-auth typescript`.
 * Ends with the proxy.
 */
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, setUp, withSetupErrors } from "./setup.mjs";

const EXAMPLES = join(ROOT, "examples");
const names = readdirSync(EXAMPLES).filter((name) =>
  existsSync(join(EXAMPLES, name, "services.mjs")),
);

await withSetupErrors(async () => {
  const [name = "", variant = "typescript", ...more] = process.argv.slice(2);
  const config = join("examples", name, `${variant}.yaml`);
  if (!names.includes(name) || !existsSync(join(ROOT, config))) {
    process.stderr.write(`usage: npm run example ${names.join("|")} typescript|rust\n`);
    process.exitCode = 1;
    return;
  }
  await setUp();
  const { startServices } = await import(pathToFileURL(join(EXAMPLES, name, "services.mjs")).href);
  const services = await startServices();
  const args = [join(ROOT, "bin", "granary.mjs"), "-c", config, "--concurrency", "2", ...more];
  const child = spawn(process.execPath, args, { cwd: ROOT, stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
  process.exitCode = await new Promise((resolve) => {
    child.on("error", () => resolve(1));
    child.on("exit", (code) => resolve(code ?? 1));
  });
  await services.close();
});
