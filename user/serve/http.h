/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small HTTP server without a thread of its own. The caller puts serve_fd()
 * into its epoll set and calls serve_run() when it is readable; timeouts make it
 * readable too. Contents come from callbacks (serve/reply.h), called from within
 * serve_run().
 *
 *	r = serve_open(&options, &content, &serve, &err);
 *	…epoll_ctl(loop, EPOLL_CTL_ADD, serve_fd(serve), …)…
 *	on readable: serve_run(serve);
 */
#ifndef SERVE_HTTP_H
#define SERVE_HTTP_H

#include <stddef.h>

#include "base/err.h"
#include "serve/reply.h"

struct serve_options {
	const char *const *addresses; /* HOST:PORT, [IPV6]:PORT or :PORT */
	size_t n_addresses;
	const int *sockets; /* listening already, as from systemd; duplicated, close yours */
	size_t n_sockets;
	const char *telemetry_path; /* NULL: /metrics */
	const char *web_config;     /* file of a web configuration; NULL: HTTP, for everybody */
	unsigned max_requests;      /* scrapes on their way at once; 0: no limit */
	unsigned max_connections;   /* per address; 0: 256 */
	unsigned timeout_s;         /* without a byte to or from the client; 0: 10 */
};

struct serve;

/* Opens every address or none. @content and the texts of @options are copied. */
int serve_open(const struct serve_options *options, const struct serve_content *content,
	       struct serve **out, struct err *err);
int serve_fd(const struct serve *serve);
/* Does what is to be done now, without waiting. */
void serve_run(struct serve *serve);

/* Whether addresses begin with https://. */
bool serve_is_https(const struct serve *serve);
/* Where it listens, as a URL has it: "127.0.0.1:9470". */
size_t serve_n_addresses(const struct serve *serve);
const char *serve_address(const struct serve *serve, size_t i);

void serve_close(struct serve *serve); /* NULL is fine */
void serve_closep(struct serve **serve);

#endif
