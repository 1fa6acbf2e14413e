/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is let in: what the web configuration demands of a request before it is
 * answered. No socket is touched here; serve/http asks for each request.
 */
#ifndef SERVE_GATE_H
#define SERVE_GATE_H

#include <stdbool.h>

#include "base/err.h"
#include "serve/reply.h"
#include "serve/web.h"

struct gate;

struct gate_request {
	const char *user, *password; /* NULL: none came */
	bool waited;                 /* it was told to wait before */
	bool body;                   /* one is announced, so it cannot wait */
};

enum gate_verdict {
	GATE_OPEN,
	GATE_WAIT,   /* ask again when gate_ready() says so */
	GATE_CLOSED, /* the refusal is in the reply */
};

int gate_open(const char *path, web_say_fn *say, void *ctx, struct gate **out, struct err *err);
void gate_close(struct gate *gate); /* NULL is fine */

/* The web configuration, looked at anew. */
struct web *gate_web(const struct gate *gate);
enum gate_verdict gate_ask(struct gate *gate, const struct gate_request *request,
			   struct reply *refusal);
/* Readable when gate_ready() is to be called; true then: requests that wait may ask again. */
int gate_fd(const struct gate *gate);
bool gate_ready(struct gate *gate);

#endif
