// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_plan.h"

static void names_states(void **state)
{
	(void)state;
	assert_string_equal(plan_state_name(PLAN_READY), "ready");
	assert_string_equal(plan_state_name(PLAN_PARTIAL), "partial");
	assert_string_equal(plan_state_name(PLAN_REFUSED), "refused");
	assert_string_equal(plan_state_name(PLAN_ABSENT), "absent");
}

/* Leaks are the leak checker's to find. */
static void frees_everything(void **state)
{
	struct plan *plan = tiny_plan(), *none = NULL;

	(void)state;
	plan_freep(&plan);
	plan_freep(&none);
	plan_free(NULL);
	plan_free(mem_alloc(sizeof(*plan)));
}

static void clears_a_value(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = tiny_plan();
	struct plan_value *value = &plan->sites[0].values[1], empty = {};

	(void)state;
	plan_value_clear(value);
	assert_memory_equal(value, &empty, sizeof(empty));
	plan_value_clear(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_states),
		cmocka_unit_test(frees_everything),
		cmocka_unit_test(clears_a_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
