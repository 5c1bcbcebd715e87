/**
 * `npm run bench [NAME] [-- OPTIONS]`: sets up what is missing, then runs bench/NAME.ts; `compare`
 * is the default.
 */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const run = (args) => {
  const result = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
};
const [word = "", ...rest] = process.argv.slice(2);
const isName = /^[a-z][a-z-]*$/.test(word);
run(["scripts/setup.mjs"]);
run([`dist/bench/${isName ? word : "compare"}.js`, ...(isName ? rest : process.argv.slice(2))]);
