/*
 * TCP sockets of one thread on the thread's own libuv loop. What Node's streams do for every read
 * and write (a callback scope, a buffer object, a request object) is a good part of the user time
 * of a proxy; here a turn of the loop collects which sockets are ready and enters JavaScript once,
 * which then reads and writes by plain calls (socket-calls.c).
 *
 * A socket is a number, its slot. A slot is given out again only after libuv has let go of it, in a
 * later turn, so that an event never reaches a successor. Calls with a slot that is not open answer
 * -EBADF. Every descriptor here has one owner, this table, until `release` gives it away.
 */
#include "sockets.h"

#ifdef GRANARY_WITH_UV
#include "socket-table.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void free_set(socket_set* set) {
  for (int32_t i = 0; i < set->slots_count; i++) free(set->slots[i]);
  free(set->slots);
  free(set->free_slots);
  if (set->hook != NULL) napi_remove_async_cleanup_hook(set->hook);
  free(set);
}

static void let_go(socket_set* set) {
  set->handles--;
  if (set->closing && set->handles == 0) free_set(set);
}

/* Tells JavaScript of everything that became ready. */
static void deliver(socket_set* set) {
  napi_env env = set->env;
  uint32_t count = set->events_count;
  set->events_count = 0;
  if (count == 0 || set->closing) return;
  napi_handle_scope scope;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_value function;
  napi_value receiver;
  napi_value argument;
  if (napi_get_reference_value(env, set->deliver, &function) == napi_ok &&
      napi_get_global(env, &receiver) == napi_ok &&
      napi_create_uint32(env, count, &argument) == napi_ok) {
    napi_status status =
        napi_make_callback(env, set->context, receiver, function, 1, &argument, NULL);
    if (status == napi_pending_exception) {
      napi_value error;
      if (napi_get_and_clear_last_exception(env, &error) == napi_ok) {
        napi_fatal_exception(env, error);
      }
    }
  }
  napi_close_handle_scope(env, scope);
}

static void on_check(uv_check_t* check) { deliver(check->data); }

void granary_on_poll(uv_poll_t* poll, int status, int ready) {
  socket_slot* slot = (socket_slot*)poll;
  socket_set* set = slot->set;
  int32_t flags = 0;
  /* libuv stops watching a socket with an error; reading or writing it tells which. */
  if (status < 0) flags = FAILED;
  if ((ready & UV_READABLE) != 0) flags |= READABLE;
  if ((ready & UV_WRITABLE) != 0) flags |= WRITABLE;
  set->events[set->events_count * 2] = slot->slot;
  set->events[set->events_count * 2 + 1] = flags;
  set->events_count++;
  if (set->events_count == set->events_capacity) deliver(set);
}

static bool grow(socket_set* set) {
  int32_t capacity = set->slots_capacity == 0 ? 64 : set->slots_capacity * 2;
  socket_slot** slots = realloc(set->slots, (size_t)capacity * sizeof *slots);
  if (slots == NULL) return false;
  set->slots = slots;
  int32_t* free_slots = realloc(set->free_slots, (size_t)capacity * sizeof *free_slots);
  if (free_slots == NULL) return false;
  set->free_slots = free_slots;
  set->slots_capacity = capacity;
  return true;
}

int32_t granary_open_slot(socket_set* set, int fd) {
  socket_slot* slot;
  if (set->closing) return -ECANCELED;
  if (set->free_count > 0) {
    slot = set->slots[set->free_slots[set->free_count - 1]];
  } else {
    if (set->slots_count == set->slots_capacity && !grow(set)) return -ENOMEM;
    slot = calloc(1, sizeof *slot);
    if (slot == NULL) return -ENOMEM;
    slot->set = set;
    slot->slot = set->slots_count;
    set->slots[set->slots_count] = slot;
    set->free_slots[set->free_count++] = set->slots_count++;
  }
  int failed = uv_poll_init(set->check.loop, &slot->poll, fd);
  if (failed != 0) return failed;
  set->free_count--;
  set->handles++;
  slot->fd = fd;
  slot->open = true;
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return slot->slot;
}

static void on_slot_closed(uv_handle_t* handle) {
  socket_slot* slot = (socket_slot*)handle;
  socket_set* set = slot->set;
  set->free_slots[set->free_count++] = slot->slot;
  let_go(set);
}

int granary_release_slot(socket_slot* slot) {
  slot->open = false;
  uv_poll_stop(&slot->poll);
  uv_close((uv_handle_t*)&slot->poll, on_slot_closed);
  return slot->fd;
}

static void on_check_closed(uv_handle_t* handle) { let_go(handle->data); }

/* The thread ends: nothing of it stays open. */
static void on_cleanup(napi_async_cleanup_hook_handle hook, void* argument) {
  (void)hook;
  socket_set* set = argument;
  set->closing = true;
  for (int32_t i = 0; i < set->slots_count; i++) {
    if (set->slots[i]->open) close(granary_release_slot(set->slots[i]));
  }
  uv_close((uv_handle_t*)&set->check, on_check_closed);
}

static bool start_set(napi_env env, socket_set* set, napi_value events, napi_value function) {
  napi_typedarray_type type;
  size_t length = 0;
  uv_loop_t* loop = NULL;
  napi_value name;
  if (napi_get_typedarray_info(env, events, &type, &length, (void**)&set->events, NULL, NULL) !=
          napi_ok ||
      type != napi_int32_array || length < 2 || napi_get_uv_event_loop(env, &loop) != napi_ok ||
      napi_create_reference(env, events, 1, &set->events_reference) != napi_ok ||
      napi_create_reference(env, function, 1, &set->deliver) != napi_ok ||
      napi_create_string_latin1(env, "GRANARY_SOCKETS", NAPI_AUTO_LENGTH, &name) != napi_ok ||
      napi_async_init(env, NULL, name, &set->context) != napi_ok ||
      napi_add_async_cleanup_hook(env, on_cleanup, set, &set->hook) != napi_ok) {
    return false;
  }
  set->env = env;
  set->events_capacity = (uint32_t)(length / 2);
  uv_check_init(loop, &set->check);
  set->check.data = set;
  set->handles = 1;
  uv_check_start(&set->check, on_check);
  /* The sockets keep the loop going, not the look at them. */
  uv_unref((uv_handle_t*)&set->check);
  return true;
}

napi_value granary_open_sockets(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2];
  napi_value calls = NULL;
  napi_get_cb_info(env, info, &count, values, NULL, NULL);
  socket_set* set = count < 2 ? NULL : calloc(1, sizeof *set);
  if (set == NULL || !start_set(env, set, values[0], values[1])) {
    free(set);
    napi_get_null(env, &calls);
    return calls;
  }
  napi_create_object(env, &calls);
  granary_define_calls(env, calls, set);
  return calls;
}

#else

napi_value granary_open_sockets(napi_env env, napi_callback_info info) {
  (void)info;
  napi_value nothing = NULL;
  napi_get_null(env, &nothing);
  return nothing;
}

#endif
