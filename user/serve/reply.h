/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is answered to which request: the routes, without any socket or library,
 * so that they are tested from values. serve/http carries the answers.
 */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "metric/snapshot.h"
#include "serve/page.h"

/* Where the contents come from. Called in the thread that runs the server, one
 * at a time. */
struct serve_content {
	void *ctx;
	/* Adds the families of one scrape. A negative errno and a sentence become a 500. */
	int (*collect)(void *ctx, struct metric_snapshot *out, struct err *err);
	/* Adds the rows of the landing page and /probes. */
	void (*page)(void *ctx, struct page *out);
	/* False, with a sentence in @why, becomes a 503 of /healthz. */
	bool (*healthy)(void *ctx, struct strbuf *why);
	/* May be NULL. Something that a log should have: @good, or why nothing is served. */
	void (*say)(void *ctx, bool good, const char *text);
};

struct reply_request {
	const char *method, *path;
	const char *accept, *accept_encoding; /* NULL when not sent */
	bool busy;                            /* as many scrapes as allowed are on their way */
};

struct reply_header {
	const char *name, *value;
};

#define REPLY_HEADERS_MAX 10
#define REPLY_NONCE_LEN 32

struct reply {
	unsigned status;
	struct reply_header headers[REPLY_HEADERS_MAX];
	size_t n_headers;
	struct strbuf body; /* to be left out of the answer to HEAD */
	bool scrape;        /* counts against the limit while it is on its way */
	char policy[256];   /* the Content-Security-Policy that a header points to */
};

/* Returns 0, or -EINVAL when @telemetry_path cannot be served. */
int reply_check_path(const char *telemetry_path, struct err *err);

/* Fills @out, which must not be moved afterwards; free it with reply_free(). */
void reply_make(const struct serve_content *content, const char *telemetry_path,
		const struct reply_request *request, struct reply *out);
/* The same for a request that is turned away: @sentence, as a line of text. */
void reply_refuse(struct reply *out, unsigned status, const char *sentence);
void reply_free(struct reply *reply);

#define _reply_ __attribute__((cleanup(reply_free)))

#endif
