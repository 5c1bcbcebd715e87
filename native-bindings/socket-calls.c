/*
 * The calls on the sockets of sockets.c, as JavaScript makes them (SocketCalls in
 * src/base/native.ts). Each answers a number, below 0 an errno.
 */
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* "ip port" into text, or false where the address is no IP address. */
static bool end_text(const struct sockaddr_storage* address, char* text, size_t size) {
  char ip[INET6_ADDRSTRLEN];
  const void* bytes = NULL;
  unsigned port = 0;
  if (address->ss_family == AF_INET) {
    const struct sockaddr_in* v4 = (const struct sockaddr_in*)address;
    bytes = &v4->sin_addr;
    port = ntohs(v4->sin_port);
  } else if (address->ss_family == AF_INET6) {
    const struct sockaddr_in6* v6 = (const struct sockaddr_in6*)address;
    bytes = &v6->sin6_addr;
    port = ntohs(v6->sin6_port);
  }
  if (bytes == NULL || inet_ntop(address->ss_family, bytes, ip, sizeof ip) == NULL) return false;
  snprintf(text, size, "%s %u", ip, port);
  return true;
}

napi_value granary_socket_ends(napi_env env, int fd) {
  struct sockaddr_storage peer = {0};
  struct sockaddr_storage local = {0};
  socklen_t peer_size = sizeof peer;
  socklen_t local_size = sizeof local;
  char ends[2][INET6_ADDRSTRLEN + 8];
  char text[sizeof ends + 2] = "";
  if (getpeername(fd, (struct sockaddr*)&peer, &peer_size) == 0 &&
      getsockname(fd, (struct sockaddr*)&local, &local_size) == 0 &&
      end_text(&peer, ends[0], sizeof ends[0]) && end_text(&local, ends[1], sizeof ends[1])) {
    snprintf(text, sizeof text, "%s %s", ends[0], ends[1]);
  }
  napi_value result = NULL;
  napi_create_string_latin1(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

#ifdef GRANARY_WITH_UV
#include "socket-table.h"

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

static napi_value result_of(napi_env env, ssize_t result) {
  return make_int(env, result < 0 ? -errno : (int32_t)result);
}

/* Arguments of a call; `at` is NULL when the first is no open slot. */
typedef struct {
  socket_set* set;
  socket_slot* at;
  napi_value values[4];
} call;

static call read_call(napi_env env, napi_callback_info info) {
  call made = {0};
  size_t count = 4;
  void* data = NULL;
  int32_t slot = -1;
  napi_get_cb_info(env, info, &count, made.values, NULL, &data);
  made.set = data;
  if (count > 0 && napi_get_value_int32(env, made.values[0], &slot) == napi_ok && slot >= 0 &&
      slot < made.set->slots_count && made.set->slots[slot]->open) {
    made.at = made.set->slots[slot];
  }
  return made;
}

static int32_t int_of(napi_env env, napi_value value, int32_t otherwise) {
  int32_t result = otherwise;
  if (value != NULL) napi_get_value_int32(env, value, &result);
  return result;
}

static bool bytes_of(napi_env env, napi_value value, char** bytes, size_t* length) {
  return value != NULL && napi_get_buffer_info(env, value, (void**)bytes, length) == napi_ok;
}

/* adopt(fd) -> slot or -errno */
static napi_value adopt(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value value = NULL;
  void* data = NULL;
  napi_get_cb_info(env, info, &count, &value, NULL, &data);
  int fd = int_of(env, value, -1);
  int type = 0;
  socklen_t size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return make_int(env, -errno);
  if (type != SOCK_STREAM) return make_int(env, -EINVAL);
  return make_int(env, granary_open_slot(data, fd));
}

static bool address_of(const char* ip, int port, struct sockaddr_storage* to, socklen_t* size) {
  struct sockaddr_in* v4 = (struct sockaddr_in*)to;
  struct sockaddr_in6* v6 = (struct sockaddr_in6*)to;
  memset(to, 0, sizeof *to);
  if (inet_pton(AF_INET, ip, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons((uint16_t)port);
    *size = sizeof *v4;
    return true;
  }
  if (inet_pton(AF_INET6, ip, &v6->sin6_addr) != 1) return false;
  v6->sin6_family = AF_INET6;
  v6->sin6_port = htons((uint16_t)port);
  *size = sizeof *v6;
  return true;
}

/* connect(ip, port) -> slot or -errno; writable or failed when it is decided. */
static napi_value start_connect(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value values[2] = {NULL, NULL};
  void* data = NULL;
  char ip[INET6_ADDRSTRLEN + 1];
  size_t length = 0;
  struct sockaddr_storage to;
  socklen_t size = 0;
  napi_get_cb_info(env, info, &count, values, NULL, &data);
  if (count < 2 ||
      napi_get_value_string_latin1(env, values[0], ip, sizeof ip, &length) != napi_ok ||
      !address_of(ip, int_of(env, values[1], 0), &to, &size)) {
    return make_int(env, -EINVAL);
  }
  int fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return make_int(env, -errno);
  int32_t slot = granary_open_slot(data, fd);
  if (slot < 0) {
    close(fd);
    return make_int(env, slot);
  }
  socket_slot* opened = ((socket_set*)data)->slots[slot];
  int result;
  do {
    result = connect(fd, (struct sockaddr*)&to, size);
  } while (result < 0 && errno == EINTR);
  if (result < 0 && errno != EINPROGRESS) {
    int error = errno;
    close(granary_release_slot(opened));
    return make_int(env, -error);
  }
  uv_poll_start(&opened->poll, UV_WRITABLE, granary_on_poll);
  return make_int(env, slot);
}

/* takeError(slot) -> 0 or -errno: the pending error of the socket. */
static napi_value take_error(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  int error = EBADF;
  socklen_t size = sizeof error;
  if (made.at != NULL) getsockopt(made.at->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  return make_int(env, -error);
}

/* ends(slot) -> text of both addresses */
static napi_value ends(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  return granary_socket_ends(env, made.at == NULL ? -1 : made.at->fd);
}

/* watch(slot, flags) -> 0 or -errno */
static napi_value watch(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  if (made.at == NULL) return make_int(env, -EBADF);
  int32_t flags = int_of(env, made.values[1], 0);
  int events = ((flags & READABLE) != 0 ? UV_READABLE : 0) |
               ((flags & WRITABLE) != 0 ? UV_WRITABLE : 0);
  int result = events == 0 ? uv_poll_stop(&made.at->poll)
                           : uv_poll_start(&made.at->poll, events, granary_on_poll);
  return make_int(env, result);
}

/* receive(slot, buffer) -> bytes read, 0 at the end, or -errno */
static napi_value receive(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  char* bytes = NULL;
  size_t length = 0;
  if (made.at == NULL) return make_int(env, -EBADF);
  /* Memory that has moved away has no length: reading nothing would look like the end. */
  if (!bytes_of(env, made.values[1], &bytes, &length) || length == 0) {
    return make_int(env, -EINVAL);
  }
  ssize_t got;
  do {
    got = recv(made.at->fd, bytes, length, 0);
  } while (got < 0 && errno == EINTR);
  return result_of(env, got);
}

static ssize_t send_parts(int fd, struct iovec* parts, size_t count) {
  struct msghdr message = {0};
  message.msg_iov = parts;
  message.msg_iovlen = count;
  ssize_t sent;
  do {
    sent = count == 1 ? send(fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL)
                      : sendmsg(fd, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  return sent;
}

/* The text of a call as bytes in the set's own buffer, cut to its size. */
static bool text_of(napi_env env, const call* made, struct iovec* part) {
  size_t length = 0;
  if (napi_get_value_string_latin1(env, made->values[1], made->set->text, TEXT_BYTES + 1,
                                   &length) != napi_ok) {
    return false;
  }
  part->iov_base = made->set->text;
  part->iov_len = length;
  return true;
}

/* sendText(slot, text) -> bytes sent, or -errno */
static napi_value send_text(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  struct iovec part;
  if (made.at == NULL) return make_int(env, -EBADF);
  if (!text_of(env, &made, &part)) return make_int(env, -EINVAL);
  return result_of(env, send_parts(made.at->fd, &part, 1));
}

/* sendBytes(slot, bytes, from) -> bytes sent, or -errno */
static napi_value send_bytes(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  char* bytes = NULL;
  size_t length = 0;
  if (made.at == NULL) return make_int(env, -EBADF);
  int32_t from = int_of(env, made.values[2], 0);
  if (!bytes_of(env, made.values[1], &bytes, &length) || from < 0 || (size_t)from > length) {
    return make_int(env, -EINVAL);
  }
  struct iovec part = {bytes + from, length - (size_t)from};
  return result_of(env, send_parts(made.at->fd, &part, 1));
}

/* sendBoth(slot, text, bytes) -> bytes sent, or -errno */
static napi_value send_both(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  struct iovec parts[2];
  char* bytes = NULL;
  size_t length = 0;
  if (made.at == NULL) return make_int(env, -EBADF);
  if (!text_of(env, &made, parts) || !bytes_of(env, made.values[2], &bytes, &length)) {
    return make_int(env, -EINVAL);
  }
  parts[1].iov_base = bytes;
  parts[1].iov_len = length;
  /* The bytes follow the whole text, or wait with its rest. */
  return result_of(env, send_parts(made.at->fd, parts, parts->iov_len < TEXT_BYTES ? 2 : 1));
}

/* finish(slot) -> 0 or -errno: sends FIN. */
static napi_value finish(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  if (made.at == NULL) return make_int(env, -EBADF);
  return result_of(env, shutdown(made.at->fd, SHUT_WR));
}

/* close(slot, reset) -> 0 or -errno; `reset` 1: the peer sees RST. */
static napi_value close_socket(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  if (made.at == NULL) return make_int(env, -EBADF);
  if (int_of(env, made.values[1], 0) == 1) {
    struct linger now = {1, 0};
    setsockopt(made.at->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }
  return result_of(env, close(granary_release_slot(made.at)));
}

/* release(slot) -> the descriptor, which is the caller's now, or -errno */
static napi_value release_socket(napi_env env, napi_callback_info info) {
  call made = read_call(env, info);
  return make_int(env, made.at == NULL ? -EBADF : granary_release_slot(made.at));
}

void granary_define_calls(napi_env env, napi_value object, socket_set* set) {
  const napi_property_descriptor properties[] = {
      {"adopt", NULL, adopt, NULL, NULL, NULL, napi_enumerable, set},
      {"connect", NULL, start_connect, NULL, NULL, NULL, napi_enumerable, set},
      {"takeError", NULL, take_error, NULL, NULL, NULL, napi_enumerable, set},
      {"ends", NULL, ends, NULL, NULL, NULL, napi_enumerable, set},
      {"watch", NULL, watch, NULL, NULL, NULL, napi_enumerable, set},
      {"receive", NULL, receive, NULL, NULL, NULL, napi_enumerable, set},
      {"sendText", NULL, send_text, NULL, NULL, NULL, napi_enumerable, set},
      {"sendBytes", NULL, send_bytes, NULL, NULL, NULL, napi_enumerable, set},
      {"sendBoth", NULL, send_both, NULL, NULL, NULL, napi_enumerable, set},
      {"finish", NULL, finish, NULL, NULL, NULL, napi_enumerable, set},
      {"close", NULL, close_socket, NULL, NULL, NULL, napi_enumerable, set},
      {"release", NULL, release_socket, NULL, NULL, NULL, napi_enumerable, set},
  };
  napi_define_properties(env, object, sizeof properties / sizeof *properties, properties);
}

#endif
