/* SPDX-License-Identifier: BSD-2-Clause */
/* Opens listening sockets, and says in one sentence why one cannot be had. */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include "base/err.h"
#include "serve/address.h"

/* Returns a listening, non-blocking descriptor, or a negative errno. An address
 * without host listens on every interface, IPv4 and IPv6. */
int listen_open(const struct address *address, struct err *err);

/* The address that the socket is bound to, as a URL has it: "127.0.0.1:9470",
 * "[::1]:9470". Never NULL; the caller frees it. */
char *listen_name(int fd);

#endif
