/** `npm run bench`: sets up what is missing, then runs the comparison of bench/compare.ts. */
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const run = (args) => {
  const result = spawnSync(process.execPath, args, { cwd: root, stdio: "inherit" });
  if (result.status !== 0) process.exit(result.status ?? 1);
};
run(["scripts/setup.mjs"]);
run(["dist/bench/compare.js", ...process.argv.slice(2)]);
