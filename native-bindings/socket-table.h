/*
 * The table of a thread's sockets: filled by the calls (socket-calls.c), watched by sockets.c.
 */
#ifndef GRANARY_SOCKET_TABLE_H
#define GRANARY_SOCKET_TABLE_H

#include "sockets.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

enum { READABLE = 1, WRITABLE = 2, FAILED = 4 };

/* A longer text is sent in part, and the caller goes on with the rest. */
enum { TEXT_BYTES = 65536 };

typedef struct socket_set socket_set;

typedef struct {
  uv_poll_t poll;
  socket_set* set;
  int32_t slot;
  int fd;
  bool open;
} socket_slot;

struct socket_set {
  napi_env env;
  napi_async_context context;
  napi_ref deliver;
  napi_ref events_reference;
  napi_async_cleanup_hook_handle hook;
  uv_check_t check;
  /* Pairs (slot, flags), read by JavaScript. */
  int32_t* events;
  uint32_t events_capacity;
  uint32_t events_count;
  socket_slot** slots;
  int32_t* free_slots;
  int32_t slots_count;
  int32_t slots_capacity;
  int32_t free_count;
  /* Handles that libuv still holds; the set is freed with the last. */
  size_t handles;
  bool closing;
  char text[TEXT_BYTES + 1];
};

/* Watches nothing yet. Returns the slot, or -errno; then the descriptor stays the caller's. */
int32_t granary_open_slot(socket_set* set, int fd);
/* Ends the watch; the descriptor is the caller's. */
int granary_release_slot(socket_slot* slot);
/* Notes what a watched socket is ready for. */
void granary_on_poll(uv_poll_t* poll, int status, int ready);
/* Puts the calls on the sockets of `set` into `object`. */
void granary_define_calls(napi_env env, napi_value object, socket_set* set);

#endif
