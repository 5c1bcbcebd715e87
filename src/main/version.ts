/**
 * The version of this installation, read from its package.json.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../base/package-root.ts";

/** As `--version` and `/server_info` print it: `granary 0.1.0 (node v22.12.0)`. */
export function versionText(): string {
  return `granary ${packageVersion()} (node ${process.version})`;
}

function packageVersion(): string {
  const folder = packageRoot();
  if (folder === null) return "unknown";
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as {
    version?: string;
  };
  return version ?? "unknown";
}
