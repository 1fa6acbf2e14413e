/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For tests: a tiny HTTP client on a real socket. The server has no thread, so
 * while the client waits it drives the server as cmd/ does: by its descriptor.
 */
#ifndef TESTS_SERVE_CLIENT_H
#define TESTS_SERVE_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/strbuf.h"
#include "serve/http.h"

#define CLIENT_PATIENCE_MS 10000

struct client {
	struct serve *serve;
	int fd;
	struct strbuf in; /* received and not yet read */
	bool closed;      /* by the server */
};

struct answer {
	unsigned status;
	struct strbuf head, body;
};

static inline int64_t client_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static inline void client_connect_to(struct client *client, struct serve *serve, size_t i)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	const char *port = strrchr(serve_address(serve, i), ':') + 1;

	to.sin_port = htons((uint16_t)atoi(port));
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*client = (struct client){ .serve = serve, .fd = socket(AF_INET, SOCK_STREAM, 0) };
	assert_int_equal(connect(client->fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static inline void client_connect(struct client *client, struct serve *serve)
{
	client_connect_to(client, serve, 0);
}

static inline void client_free(struct client *client)
{
	close(client->fd);
	strbuf_free(&client->in);
}

static inline void answer_free(struct answer *answer)
{
	strbuf_free(&answer->head);
	strbuf_free(&answer->body);
}

#define _client_ __attribute__((cleanup(client_free)))
#define _answer_ __attribute__((cleanup(answer_free)))

/* One turn of the loop: runs the server when its descriptor says so, and takes what has come. */
static inline void client_turn(struct client *client, int timeout_ms)
{
	struct pollfd fds[] = {
		{ .fd = serve_fd(client->serve), .events = POLLIN },
		{ .fd = client->closed ? -1 : client->fd, .events = POLLIN },
	};
	char piece[65536];
	ssize_t n;

	poll(fds, 2, timeout_ms);
	if (fds[0].revents)
		serve_run(client->serve);
	if (!fds[1].revents)
		return;
	n = recv(client->fd, piece, sizeof(piece), MSG_DONTWAIT);
	if (n > 0)
		strbuf_add(&client->in, piece, (size_t)n);
	else if (n == 0 || errno != EAGAIN)
		client->closed = true;
}

static inline void client_send(struct client *client, const char *text)
{
	size_t len = strlen(text), sent = 0;

	while (sent < len && !client->closed) {
		ssize_t n = send(client->fd, text + sent, len - sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n > 0)
			sent += (size_t)n;
		else if (errno == EAGAIN)
			client_turn(client, 10);
		else
			return; /* the server had enough */
	}
}

/* The value of a header of the answer, as "Name: value" up to the line's end, or NULL. */
static inline char *answer_header(const struct answer *answer, const char *name)
{
	for (const char *p = answer->head.text; p && *p;) {
		const char *end = strstr(p, "\r\n");
		size_t n = strlen(name);

		if (!strncasecmp(p, name, n) && p[n] == ':')
			return mem_strndup(p + n + 2, (size_t)(end - p) - n - 2);
		p = end ? end + 2 : NULL;
	}
	return NULL;
}

static inline void drop(struct strbuf *in, size_t n)
{
	memmove(in->text, in->text + n, in->len - n + 1);
	in->len -= n;
}

/* Waits for one answer; @head_only: to a HEAD request, whose length is not of what follows. */
static inline void client_receive(struct client *client, bool head_only, struct answer *out)
{
	int64_t until = client_now_ms() + CLIENT_PATIENCE_MS;
	_free_ char *length = NULL;
	const char *end = NULL;
	size_t want;

	*out = (struct answer){};
	while (!(client->in.len && (end = strstr(client->in.text, "\r\n\r\n")))) {
		if (client->closed || client_now_ms() > until)
			fail_msg("no answer; the server sent %zu bytes", client->in.len);
		client_turn(client, 100);
	}
	strbuf_add(&out->head, client->in.text, (size_t)(end - client->in.text) + 2);
	drop(&client->in, out->head.len + 2);
	assert_int_equal(sscanf(out->head.text, "HTTP/1.%*d %u", &out->status), 1);
	length = answer_header(out, "Content-Length");
	want = head_only || !length ? 0 : strtoul(length, NULL, 10);
	while (client->in.len < want) {
		if (client->closed || client_now_ms() > until)
			fail_msg("%zu bytes of %zu", client->in.len, want);
		client_turn(client, 100);
	}
	strbuf_add(&out->body, client->in.text, want);
	if (want)
		drop(&client->in, want);
}

static inline void client_get(struct client *client, const char *path, const char *headers,
			      struct answer *out)
{
	_free_ char *text = mem_printf("GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n", path, headers);

	client_send(client, text);
	client_receive(client, false, out);
}

/* Whether the server closes the connection within @ms. */
static inline bool client_closed_within(struct client *client, int64_t ms)
{
	int64_t until = client_now_ms() + ms;

	while (!client->closed && client_now_ms() < until)
		client_turn(client, 50);
	return client->closed;
}

#endif
