/* SPDX-License-Identifier: BSD-2-Clause */
/* Two builds of one made-up program. */
#ifndef TESTS_TINY_BOTH_H
#define TESTS_TINY_BOTH_H

#include "symbol/tiny_twin.h"

/* Two builds of a program, the second in reverse order, and what was matched. */
struct both {
	struct tiny_twin x, y;
	struct tiny_side a, b;
	struct twin_match m;
};

static inline void open_both(struct both *t)
{
	t->a = twin_open(&t->x, false);
	t->b = twin_open(&t->y, true);
	twin_match_run(t->a.code, t->b.code, &t->m);
}

static inline void close_both(struct both *t)
{
	twin_match_free(&t->m);
	twin_close(&t->a);
	twin_close(&t->b);
}

/* A function with a constant of its own that calls up to two others. */
#define NOBODY UINT32_MAX
static inline void function(struct tiny_twin *t, uint32_t constant, uint32_t x, uint32_t y)
{
	twin_thing(t, true);
	twin_mov(t, constant);
	if (x != NOBODY)
		twin_call(t, x);
	if (y != NOBODY)
		twin_call(t, y);
	twin_ret(t);
}

#endif
