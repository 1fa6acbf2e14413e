// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/reads.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_plan.h"

static void names_values_and_places(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = tiny_plan();
	_strbuf_ struct strbuf out = {};

	(void)state;
	reads_write(plan, 0, &out);
	assert_string_equal(out.text, "vote.approve from key-104:1 at the start; "
				      "kind from [rsp+72]+8:8, rax:4r, saved:2 at the start");
}

static void says_nothing_where_nothing_is_read(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = tiny_plan();
	_strbuf_ struct strbuf out = {};

	(void)state;
	reads_write(plan, 1, &out);
	reads_write(plan, 2, &out);
	assert_int_equal(out.len, 0);
}

static void add(struct plan_site *site, const char *text, int tail)
{
	struct plan_value value = { .text = mem_strdup(text), .n_tests = 1 };

	value.tests[0].recipe = (struct abi_recipe){ .reg = ABI_REG_RBX, .width = 1, .tail = tail };
	plan_add_value(site, &value);
}

static void says_that_a_key_is_hashed(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = tiny_plan();
	_strbuf_ struct strbuf out = {};

	(void)state;
	plan->sites[0].values[0].reading = PLAN_KEY;
	reads_write(plan, 0, &out);
	assert_non_null(strstr(out.text, "a hash of vote.approve from key-104:1 at the start"));
}

/* Two ends that read the same are one, and what only begins or ends alike is not. */
static void says_everything_once(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = tiny_plan();
	_strbuf_ struct strbuf out = {};

	(void)state;
	add(&plan->sites[1], "a.kind", 1);
	add(&plan->sites[1], "kind", 1);
	add(&plan->sites[1], "kind", 1);
	plan->sites[2].instance = 0;
	add(&plan->sites[2], "kind", 1);
	add(&plan->sites[2], "kind", 12);
	for (size_t v = 0; v < 2; v++)
		plan_value_clear(&plan->sites[0].values[v]);
	plan->sites[0].n_values = 0;
	reads_write(plan, 0, &out);
	assert_string_equal(out.text, "a.kind from rbx+1:1 at the end; kind from rbx+1:1 at the "
				      "end; kind from rbx+12:1 at the end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_values_and_places),
		cmocka_unit_test(says_nothing_where_nothing_is_read),
		cmocka_unit_test(says_that_a_key_is_hashed),
		cmocka_unit_test(says_everything_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
