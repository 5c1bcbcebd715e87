#!/usr/bin/env node
/** The command `granary`. In a checkout, `npm run build` comes first. */
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const entry = new URL("../dist/src/main/main.js", import.meta.url);
if (existsSync(fileURLToPath(entry))) {
  const { main } = await import(entry.href);
  // Workers and sockets are gone when main returns; what is left (idle pools) may not delay the end.
  process.exit(await main(process.argv.slice(2)));
} else {
  process.stderr.write("granary: not built yet; run: npm run build\n");
  process.exitCode = 1;
}
