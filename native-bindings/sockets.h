/*
 * Sockets of one thread, read and written without streams: see sockets.c.
 */
#ifndef GRANARY_SOCKETS_H
#define GRANARY_SOCKETS_H

#include <stdint.h>

#define NAPI_VERSION 8
#include <node_api.h>

static inline napi_value make_int(napi_env env, int32_t value) {
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

/*
 * openSockets(events: Int32Array, deliver: (count) => void) -> the calls, or null without libuv.
 * Once per thread; everything is closed when the thread ends.
 */
napi_value granary_open_sockets(napi_env env, napi_callback_info info);

/* "peerIp peerPort localIp localPort" of an IP socket, "" for anything else. */
napi_value granary_socket_ends(napi_env env, int fd);

#endif
