/*
 * granary.node: what the proxy needs of the operating system and of libuv that JavaScript cannot
 * reach. Pure Node-API, so one binary serves every Node major.
 *
 *   dupFd(fd)       -> a duplicate of fd with close-on-exec, or -errno.
 *   closeFd(fd)     -> 0, or -errno.
 *   socketEnds(fd)  -> "peerIp peerPort localIp localPort" of an IP socket, "" for anything else.
 *   capReceiveBuffer(fd, bytes) -> the bytes that the kernel now keeps at most for fd, or -errno.
 *   armLoopGuard()  -> true when the guard of this thread is armed (built with uv.h).
 *   openSockets(events, deliver) -> calls on this thread's sockets, see sockets.c; null without uv.h.
 *
 * The guard: uWebSockets.js registers sockets as uv_poll handles that nobody closes when a worker
 * is killed; libuv then aborts the whole process ("uv_loop_close() while having open handles").
 * Node closes its own handles before cleanup hooks run, and hooks run last-in first-out, so a hook
 * that is added when the thread starts finds exactly the handles that native code left behind. Only
 * uv_poll handles are closed: timers of V8's platform live on the same loop and are closed by Node.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sockets.h"

#ifdef GRANARY_WITH_UV
#include <uv.h>
#endif

/* The first argument as a descriptor, or -1. Node-API turns NaN into 0, which would be stdin. */
static int fd_argument(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value arguments[1];
  double value = -1;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 1) return -1;
  if (napi_get_value_double(env, arguments[0], &value) != napi_ok) return -1;
  if (!(value >= 0 && value <= INT32_MAX) || value != (double)(int)value) return -1;
  return (int)value;
}

static napi_value dup_fd(napi_env env, napi_callback_info info) {
  int copy = fcntl(fd_argument(env, info), F_DUPFD_CLOEXEC, 0);
  return make_int(env, copy < 0 ? -errno : copy);
}

static napi_value close_fd(napi_env env, napi_callback_info info) {
  /* EINTR is not retried: on Linux the descriptor is gone, and its number may be somebody else's. */
  int result = close(fd_argument(env, info));
  return make_int(env, result < 0 ? -errno : 0);
}

/* Also ends the kernel's own tuning of the buffer. It keeps room for its own books: twice `bytes`. */
static napi_value cap_receive_buffer(napi_env env, napi_callback_info info) {
  int fd = fd_argument(env, info);
  size_t count = 2;
  napi_value arguments[2];
  int32_t bytes = 0;
  socklen_t size = sizeof bytes;
  if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 2 ||
      napi_get_value_int32(env, arguments[1], &bytes) != napi_ok) {
    return make_int(env, -EINVAL);
  }
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, size) != 0) return make_int(env, -errno);
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &size) != 0) return make_int(env, -errno);
  return make_int(env, bytes);
}

static napi_value socket_ends(napi_env env, napi_callback_info info) {
  return granary_socket_ends(env, fd_argument(env, info));
}

#ifdef GRANARY_WITH_UV

typedef struct {
  uv_loop_t* loop;
  napi_async_cleanup_hook_handle hook;
  /* Handles that were on the loop when the guard was armed; never touched. */
  uv_handle_t** own;
  size_t own_count;
  size_t own_capacity;
  size_t closing;
} loop_guard;

/* Remembers the descriptor of a handle that is being closed. */
typedef struct {
  loop_guard* guard;
  uv_os_fd_t fd;
} closing_handle;

static void remember_own(uv_handle_t* handle, void* argument) {
  loop_guard* guard = argument;
  if (guard->own_count == guard->own_capacity) {
    size_t capacity = guard->own_capacity == 0 ? 32 : guard->own_capacity * 2;
    uv_handle_t** grown = realloc(guard->own, capacity * sizeof *grown);
    if (grown == NULL) return;
    guard->own = grown;
    guard->own_capacity = capacity;
  }
  guard->own[guard->own_count++] = handle;
}

static bool is_own(const loop_guard* guard, const uv_handle_t* handle) {
  for (size_t index = 0; index < guard->own_count; index++) {
    if (guard->own[index] == handle) return true;
  }
  return false;
}

static void finish_guard(loop_guard* guard) {
  napi_remove_async_cleanup_hook(guard->hook);
  free(guard->own);
  free(guard);
}

static void on_handle_closed(uv_handle_t* handle) {
  closing_handle* closing = handle->data;
  loop_guard* guard = closing->guard;
  if (closing->fd >= 0) close(closing->fd);
  free(closing);
  if (--guard->closing == 0) finish_guard(guard);
}

static void close_foreign(uv_handle_t* handle, void* argument) {
  loop_guard* guard = argument;
  if (handle->type != UV_POLL || uv_is_closing(handle) || is_own(guard, handle)) return;
  closing_handle* closing = malloc(sizeof *closing);
  if (closing == NULL) return;
  closing->guard = guard;
  if (uv_fileno(handle, &closing->fd) != 0) closing->fd = -1;
  handle->data = closing;
  guard->closing++;
  uv_close(handle, on_handle_closed);
}

static void on_cleanup(napi_async_cleanup_hook_handle hook, void* argument) {
  (void)hook;
  loop_guard* guard = argument;
  uv_walk(guard->loop, close_foreign, guard);
  if (guard->closing == 0) finish_guard(guard);
}

static napi_value arm_loop_guard(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value result = NULL;
  bool armed = false;
  loop_guard* guard = calloc(1, sizeof *guard);
  if (guard != NULL && napi_get_uv_event_loop(env, &guard->loop) == napi_ok) {
    uv_walk(guard->loop, remember_own, guard);
    armed = napi_add_async_cleanup_hook(env, on_cleanup, guard, &guard->hook) == napi_ok;
  }
  if (!armed && guard != NULL) {
    free(guard->own);
    free(guard);
  }
  napi_get_boolean(env, armed, &result);
  return result;
}

#else

static napi_value arm_loop_guard(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value result = NULL;
  napi_get_boolean(env, false, &result);
  return result;
}

#endif

NAPI_MODULE_INIT() {
  const napi_property_descriptor properties[] = {
      {"dupFd", NULL, dup_fd, NULL, NULL, NULL, napi_enumerable, NULL},
      {"closeFd", NULL, close_fd, NULL, NULL, NULL, napi_enumerable, NULL},
      {"socketEnds", NULL, socket_ends, NULL, NULL, NULL, napi_enumerable, NULL},
      {"capReceiveBuffer", NULL, cap_receive_buffer, NULL, NULL, NULL, napi_enumerable, NULL},
      {"armLoopGuard", NULL, arm_loop_guard, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openSockets", NULL, granary_open_sockets, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof properties / sizeof *properties, properties);
  return exports;
}
