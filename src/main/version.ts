/**
 * The version of this installation, read from its package.json.
 */
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** As `--version` and `/server_info` print it: `granary 0.1.0 (node v22.12.0)`. */
export function versionText(): string {
  return `granary ${packageVersion()} (node ${process.version})`;
}

function packageVersion(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, "package.json"))) {
    if (dirname(folder) === folder) return "unknown";
    folder = dirname(folder);
  }
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    version?: string;
  };
  return version ?? "unknown";
}
