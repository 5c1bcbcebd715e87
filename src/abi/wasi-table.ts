/**
 * Every WASI preview1 function that a toolchain may import, as data: parameters and what the host
 * answers. There is no file system, no socket and no argument; linking must still succeed, and some
 * answers are load-bearing: `fd_prestat_get` says BADF so that runtimes stop looking for
 * directories, and `args_*`, `environ_*` and `poll_oneoff` succeed because Go ends the program
 * otherwise.
 * Source: ABI 1.7.
 */

/** WASI errno values that the host uses. */
export const ERRNO = {
  success: 0,
  badf: 8,
  /** The number cpp-host answers for directories; NOTDIR proper is 54. */
  notDirectory: 20,
  fault: 21,
  noEntry: 44,
  notImplemented: 52,
  notSupported: 58,
  seekPipe: 70,
} as const;
type ErrnoName = keyof typeof ERRNO;

/** `out`: an i32 pointer that the host writes to. */
type WasiParamKind = "i32" | "i64" | "out";
export type WasiParam = readonly [name: string, kind: WasiParamKind];

/**
 * - `constant`: always the same errno, whatever is passed.
 * - `descriptor`: `standard` when the first parameter is one of `standardFds`, else `other`.
 * - `body`: a function of wasi.ts; `summary` says what it does.
 */
export type WasiAnswer =
  | { readonly kind: "constant"; readonly errno: ErrnoName }
  | {
      readonly kind: "descriptor";
      readonly standardFds: readonly number[];
      readonly standard: ErrnoName;
      readonly other: ErrnoName;
    }
  | { readonly kind: "body"; readonly summary: string };

export interface WasiSpec {
  readonly params: readonly WasiParam[];
  /** `none`: the function has no result; left out by a capability restriction it does nothing. */
  readonly result: "errno" | "none";
  readonly answer: WasiAnswer;
}

/** Splits `"fd offset:i64 *new"` into parameters: `*` marks an out pointer, `:i64` a 64-bit one. */
function parameters(text: string): readonly WasiParam[] {
  if (text === "") return [];
  return text.split(" ").map((word): WasiParam => {
    if (word.startsWith("*")) return [word.slice(1), "out"];
    return word.endsWith(":i64") ? [word.slice(0, -4), "i64"] : [word, "i32"];
  });
}

function constant(params: string, errno: ErrnoName): WasiSpec {
  return { params: parameters(params), result: "errno", answer: { kind: "constant", errno } };
}

function descriptor(
  params: string,
  standard: ErrnoName,
  other: ErrnoName,
  standardFds: readonly number[] = [1, 2],
): WasiSpec {
  return {
    params: parameters(params),
    result: "errno",
    answer: { kind: "descriptor", standardFds, standard, other },
  };
}

function body(params: string, summary: string): WasiSpec {
  return { params: parameters(params), result: "errno", answer: { kind: "body", summary } };
}

const TIMES = "fd access:i64 modification:i64 flags";
const PATH = "fd path path_len";

export const WASI_FUNCTIONS = {
  args_get: constant("argv argv_buf", "success"),
  args_sizes_get: body("*argc *bytes", "writes 0 and 0"),
  environ_get: body("environ buf", "the configured variables"),
  environ_sizes_get: body("*count *bytes", "count and bytes of the configured variables"),
  clock_res_get: body("id *resolution", "1 ns for clocks 0 and 1, else 58"),
  clock_time_get: body("id precision:i64 *time", "0 wall clock, 1 monotonic, else 58"),
  fd_advise: descriptor("fd offset:i64 length:i64 advice", "success", "badf"),
  fd_allocate: descriptor("fd offset:i64 length:i64", "success", "badf"),
  fd_close: constant("fd", "success"),
  fd_datasync: descriptor("fd", "success", "badf"),
  fd_fdstat_get: body("fd *stat", "a character device that can be written for fd 1, 2; else 8"),
  fd_fdstat_set_flags: descriptor("fd flags", "success", "notImplemented", [0, 1, 2]),
  fd_fdstat_set_rights: descriptor("fd base:i64 inheriting:i64", "success", "badf"),
  fd_filestat_get: constant("fd *stat", "badf"),
  fd_filestat_set_size: descriptor("fd size:i64", "success", "badf"),
  fd_filestat_set_times: descriptor(TIMES, "success", "badf"),
  fd_pread: constant("fd iovs iovs_len offset:i64 *nread", "notImplemented"),
  fd_prestat_dir_name: constant("fd path path_len", "notImplemented"),
  fd_prestat_get: constant("fd *prestat", "badf"),
  fd_pwrite: body("fd iovs iovs_len offset:i64 *nwritten", "as fd_write"),
  fd_read: constant("fd iovs iovs_len *nread", "notImplemented"),
  fd_readdir: body("fd buf buf_len cookie:i64 *used", "writes 0, answers 20"),
  fd_renumber: descriptor("fd to", "notSupported", "badf"),
  fd_seek: descriptor("fd offset:i64 whence *new_offset", "seekPipe", "badf", [0, 1, 2]),
  fd_sync: descriptor("fd", "success", "badf"),
  fd_tell: body("fd *offset", "0 for fd 1, 2; else 8"),
  fd_write: body("fd iovs iovs_len *nwritten", "one log line: fd 1 at info, fd 2 at error; else 8"),
  path_create_directory: constant(PATH, "notSupported"),
  path_filestat_get: constant("fd flags path path_len *stat", "notSupported"),
  path_filestat_set_times: constant(
    "fd flags path path_len access:i64 modification:i64 fst_flags",
    "notSupported",
  ),
  path_link: constant(
    "old_fd old_flags old_path old_path_len new_fd new_path new_path_len",
    "notSupported",
  ),
  path_open: constant(
    "fd dirflags path path_len oflags rights:i64 inheriting:i64 fdflags *opened",
    "noEntry",
  ),
  path_readlink: body("fd path path_len buf buf_len *used", "writes 0, answers 58"),
  path_remove_directory: constant(PATH, "notSupported"),
  path_rename: constant("fd old_path old_path_len new_fd new_path new_path_len", "notSupported"),
  path_symlink: constant("old_path old_path_len fd new_path new_path_len", "notSupported"),
  path_unlink_file: constant(PATH, "notSupported"),
  poll_oneoff: body("in out count *nevents", "writes 0: nothing is ever ready, nothing waits"),
  proc_exit: {
    params: parameters("code"),
    result: "none",
    answer: { kind: "body", summary: "ends the call: normal with code 0 at start, else a trap" },
  },
  proc_raise: constant("signal", "notSupported"),
  random_get: body("buf buf_len", "random bytes"),
  sched_yield: constant("", "success"),
  sock_accept: constant("fd flags *accepted", "notSupported"),
  sock_recv: constant("fd iovs iovs_len flags *received *out_flags", "notSupported"),
  sock_send: constant("fd iovs iovs_len flags *sent", "notSupported"),
  sock_shutdown: constant("fd how", "notSupported"),
} satisfies Record<string, WasiSpec>;

export type WasiName = keyof typeof WASI_FUNCTIONS;
export const WASI_NAMES: readonly WasiName[] = Object.keys(WASI_FUNCTIONS) as WasiName[];
