/**
 * Errors of writes on a socket's handle.
 */
import { getSystemErrorName } from "node:util";

/** The error that Node would report for a failed write. `errno` < 0, as libuv counts. */
export function writeError(errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`write ${code}`), { code, errno, syscall: "write" });
}
