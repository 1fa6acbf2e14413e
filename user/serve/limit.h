/* SPDX-License-Identifier: BSD-2-Clause */
/* A limit of requests: one every so often, and a number of them at once. */
#ifndef SERVE_LIMIT_H
#define SERVE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct limit {
	bool begun;
	uint64_t at_ns; /* when it was last asked (monotonic) */
	double free;    /* requests that may come at once, at that time */
};

/* Whether one more request may come now. */
bool limit_take(struct limit *limit, uint64_t interval_ns, unsigned burst, uint64_t now_ns);

#endif
