/* SPDX-License-Identifier: BSD-2-Clause */
/* A caller of results.elf with what was inlined into it: opened by a test with
 * open_caller(), closed by its teardown. */
#ifndef TESTS_RESULTS_CALLER_H
#define TESTS_RESULTS_CALLER_H

#include "symbol/caller.h"
#include "symbol/results_elf.h"
#include "symbol/tiny_function.h"

static struct tiny t;
static struct profile *profile;
static struct caller caller;

static inline int start(void **state)
{
	(void)state;
	t = results_open();
	return 0;
}

static inline int stop(void **state)
{
	(void)state;
	caller_close(&caller);
	profile_free(profile);
	profile = NULL;
	tiny_close(&t);
	return 0;
}

static inline void open_caller(const char *function)
{
	_strbuf_ struct strbuf why = {};
	struct debug_hit hit;

	profile = results_profile(function, "{Ok: ok, Err: err}");
	hit = results_inlined(&t, profile);
	assert_true(caller_open(&hit, &caller, &why));
	assert_int_equal(why.len, 0);
}

#endif
