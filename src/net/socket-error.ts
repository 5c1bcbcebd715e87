/**
 * Errors of calls on sockets, as Node reports them. `errno` < 0, as libuv counts.
 */
import { constants } from "node:os";
import { getSystemErrorName } from "node:util";

/** The call would have to wait. */
export const WOULD_BLOCK = -constants.errno.EAGAIN;

export function socketError(syscall: string, errno: number): Error {
  const code = getSystemErrorName(errno);
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno, syscall });
}

export function connectError(
  { host, port }: { readonly host: string; readonly port: number },
  errno: number,
): Error {
  const code = getSystemErrorName(errno);
  const error = new Error(`connect ${code} ${host}:${port}`);
  return Object.assign(error, { code, errno, syscall: "connect", address: host, port });
}
