// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/instance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_elf.h"

enum { PROCESS_VOTE, STORE, PLAIN, PLAIN_RESULT, GONE, OUTER, ABSENT };

static struct tiny t;
static struct resolver rs;
static struct debug_hits hits;

static int start(void **state)
{
	(void)state;
	t = tiny_open();
	rs = (struct resolver){ .image = t.image,
				.profile = tiny_profile(TINY_PROFILE),
				.dbg = t.dbg,
				.plan = mem_alloc(sizeof(*rs.plan)) };
	hits = (struct debug_hits){};
	return debug_scan(t.dbg, rs.profile, &hits, NULL);
}

static int stop(void **state)
{
	(void)state;
	function_free(rs.open);
	for (size_t i = 0; i < rs.futures.n; i++)
		free(rs.futures.at[i].name);
	free(rs.futures.at);
	plan_free(rs.plan);
	profile_free((struct profile *)rs.profile);
	debug_hits_free(&hits);
	tiny_close(&t);
	return 0;
}

/* Looks at all hits of a function in one role; returns how many are instances. */
static size_t look(bool (*at)(struct resolver *, const struct debug_hit *), unsigned func,
		   enum debug_role role)
{
	size_t n = 0;

	for (size_t i = 0; i < hits.n; i++)
		if (hits.at[i].func == func && hits.at[i].role == role)
			n += at(&rs, &hits.at[i]);
	return n;
}

static size_t sites(enum abi_site_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < rs.plan->n_sites; i++)
		n += rs.plan->sites[i].kind == kind;
	return n;
}

static void a_poll_function(void **state)
{
	const struct plan_site *s;

	(void)state;
	assert_int_equal(look(instance_poll, PROCESS_VOTE, DEBUG_POLL), 1);
	assert_int_equal(rs.plan->n_rows, 1);
	assert_int_equal(rs.plan->rows[0].state, PLAN_READY);
	assert_string_equal(rs.plan->rows[0].where,
			    "poll function tiny::process_vote::{closure#0}");
	assert_string_equal(rs.plan->rows[0].how, "first poll, 1 completion, 2 panic sites");
	assert_int_equal(sites(ABI_SITE_START), 1);
	assert_int_equal(sites(ABI_SITE_RETURN), 1);
	assert_int_equal(sites(ABI_SITE_PANIC), 2);
	for (size_t i = 0; i < rs.plan->n_sites; i++) {
		s = &rs.plan->sites[i];
		assert_int_equal(s->func, PROCESS_VOTE);
		assert_int_equal(s->instance, 0);
		assert_memory_equal(s->bytes, tiny_elf + s->offset, s->n_bytes);
		assert_int_equal(s->n_values, s->kind == ABI_SITE_START  ? 2 :
					      s->kind == ABI_SITE_RETURN ? 1 :
									   0);
	}
}

static void an_inlined_one(void **state)
{
	(void)state;
	assert_int_equal(look(instance_poll, STORE, DEBUG_POLL), 1);
	assert_string_equal(rs.plan->rows[0].where,
			    "inlined in tiny::drive::<tiny::outer::{closure#0}> at tiny.rs:80");
	assert_int_equal(rs.plan->rows[0].state, PLAN_READY);
	assert_int_equal(sites(ABI_SITE_START), 1);
}

static void one_that_cannot_be_probed(void **state)
{
	size_t len;

	(void)state;
	assert_int_equal(look(instance_poll, OUTER, DEBUG_POLL), 1);
	assert_int_equal(rs.plan->rows[0].state, PLAN_REFUSED);
	assert_int_equal(rs.plan->n_sites, 0);
	len = strlen(rs.plan->rows[0].reason);
	assert_true(len > 10 && rs.plan->rows[0].reason[len - 1] != ' ');
}

static void plain_functions(void **state)
{
	(void)state;
	assert_int_equal(look(instance_plain, PLAIN, DEBUG_PLAIN), 1);
	assert_int_equal(rs.plan->rows[0].state, PLAN_READY);
	assert_string_equal(rs.plan->rows[0].where, "function tiny::plain");
	assert_string_equal(rs.plan->rows[0].how, "entry and 1 return site");
	assert_int_equal(sites(ABI_SITE_START), 1);
	assert_int_equal(sites(ABI_SITE_RETURN), 1);
	assert_int_equal(rs.plan->sites[0].key.reg, ABI_REG_RSP);
	/* and one that is only inlined */
	assert_int_equal(look(instance_plain, GONE, DEBUG_PLAIN), 1);
	assert_int_equal(rs.plan->n_rows, 2);
	assert_int_equal(rs.plan->rows[1].state, PLAN_REFUSED);
	assert_string_equal(rs.plan->rows[1].where, "inlined in _start at tiny.rs:148");
	assert_int_equal(rs.plan->n_sites, 2);
}

/* The maker of a future is a plain function of the same name, without code here. */
static void a_poll_hit_is_no_plain_function(void **state)
{
	(void)state;
	assert_int_equal(look(instance_plain, PROCESS_VOTE, DEBUG_POLL), 1);
	assert_int_equal(look(instance_poll, PLAIN, DEBUG_PLAIN), 0);
}

/* Glue is named after a future, which must be known before. */
static void drop_glue(void **state)
{
	(void)state;
	assert_int_equal(look(instance_drop, PROCESS_VOTE, DEBUG_DROP), 0);
	assert_int_equal(rs.plan->n_rows, 0);
	look(instance_poll, PROCESS_VOTE, DEBUG_POLL);
	assert_int_equal(rs.futures.n, 1);
	assert_int_equal(rs.futures.at[0].states, 5);
	assert_int_equal(look(instance_drop, PROCESS_VOTE, DEBUG_DROP), 1);
	assert_int_equal(rs.plan->n_rows, 2);
	assert_non_null(strstr(rs.plan->rows[1].how, "1 cancel site"));
	assert_int_equal(sites(ABI_SITE_CANCEL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_poll_function, start, stop),
		cmocka_unit_test_setup_teardown(an_inlined_one, start, stop),
		cmocka_unit_test_setup_teardown(one_that_cannot_be_probed, start, stop),
		cmocka_unit_test_setup_teardown(plain_functions, start, stop),
		cmocka_unit_test_setup_teardown(a_poll_hit_is_no_plain_function, start, stop),
		cmocka_unit_test_setup_teardown(drop_glue, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
