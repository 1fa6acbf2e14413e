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

static void knows_keys(void **state)
{
	struct plan_value value = { .reading = PLAN_SIGNED };

	(void)state;
	assert_false(plan_is_key(&value));
	for (value.reading = PLAN_KEY; value.reading <= PLAN_KEY_TEXT; value.reading++)
		assert_true(plan_is_key(&value));
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

static void says_what_a_value_is(void **state)
{
	const struct profile_value wants[] = {
		{ .kind = PROFILE_VALUE_ARG, .path = (char *)"vote.approve" },
		{ .kind = PROFILE_VALUE_RETURN, .path = (char *)"" },
		{ .kind = PROFILE_VALUE_RETURN, .is_number = true, .path = (char *)"Ok.len()" },
	};
	const char *const texts[] = { "vote.approve", "result", "result Ok.len()" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		_free_ char *text = plan_value_text(&wants[i]);

		assert_string_equal(text, texts[i]);
	}
}

static void adds_rows(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = mem_alloc(sizeof(*plan));

	(void)state;
	assert_int_equal(plan_add_row(plan, 3, PLAN_ABSENT, mem_strdup("a"), NULL, mem_strdup("b")),
			 0);
	assert_int_equal(plan_add_row(plan, 4, PLAN_READY, mem_strdup("c"), NULL, NULL), 1);
	assert_int_equal(plan->n_rows, 2);
	assert_int_equal(plan->rows[0].func, 3);
	assert_string_equal(plan->rows[1].where, "c");
}

/* One site where several are the same, those of another function stay. */
static void sorts_sites(void **state)
{
	static const struct {
		enum abi_site_kind kind;
		unsigned func, instance;
		uint64_t offset;
	} in[] = { { ABI_SITE_PANIC, 0, 0, 9 },  { ABI_SITE_START, 0, 0, 9 },
		   { ABI_SITE_START, 0, 1, 9 },  { ABI_SITE_START, 1, 2, 9 },
		   { ABI_SITE_CANCEL, 0, 0, 3 }, { ABI_SITE_CANCEL, 0, 3, 3 } };
	_cleanup_(plan_freep) struct plan *plan = mem_alloc(sizeof(*plan));

	(void)state;
	plan->sites = mem_array(ARRAY_SIZE(in), sizeof(*plan->sites));
	for (size_t i = 0; i < ARRAY_SIZE(in); i++) {
		plan->sites[i].kind = in[i].kind;
		plan->sites[i].func = in[i].func;
		plan->sites[i].instance = in[i].instance;
		plan->sites[i].offset = in[i].offset;
	}
	plan->n_sites = ARRAY_SIZE(in);
	plan_add_row(plan, 0, PLAN_READY, mem_strdup(PLAN_DROP_GLUE), mem_strdup("4 cancel sites"),
		     NULL);
	plan_sort_sites(plan);
	assert_int_equal(plan->n_sites, 4);
	assert_string_equal(plan->rows[0].how, "3 cancel sites");
	assert_int_equal(plan->sites[0].offset, 3);
	assert_int_equal(plan->sites[0].instance, 0);
	assert_true(plan->sites[1].kind == ABI_SITE_START && plan->sites[1].instance == 0);
	assert_int_equal(plan->sites[2].func, 1);
	assert_int_equal(plan->sites[3].kind, ABI_SITE_PANIC);
}

/* Two profiles of two functions each, of which they have one together. */
static struct profile *two_profiles(bool library)
{
	struct profile *profile = mem_alloc(sizeof(*profile));
	static const char *const names[] = { "a", "both", "b" };
	static const uint32_t parts[] = { 1, 3, 2 };

	profile->parts = mem_array(2, sizeof(*profile->parts));
	profile->n_parts = 2;
	profile->parts[1].library = library;
	for (size_t f = 0; f < ARRAY_SIZE(names); f++) {
		profile->funcs[f].name = mem_strdup(names[f]);
		profile->funcs[f].parts = parts[f];
	}
	profile->n_funcs = ARRAY_SIZE(names);
	return profile;
}

static void hides_unused_libraries(void **state)
{
	_cleanup_(plan_freep) struct plan *plan = mem_alloc(sizeof(*plan));
	_cleanup_(profile_freep) struct profile *library = two_profiles(true);
	_cleanup_(profile_freep) struct profile *program = two_profiles(false);

	(void)state;
	plan_add_missing_rows(plan, library, PLAN_ABSENT, "nothing");
	assert_true(plan_uses(plan, library, 0));
	assert_false(plan_uses(plan, library, 1));
	assert_true(plan_uses(plan, program, 1));
	assert_true(plan_uses(NULL, library, 1));
	assert_true(plan_shows(plan, library, 0));
	assert_true(plan_shows(plan, library, 1));
	assert_false(plan_shows(plan, library, 2));
	plan->funcs[2].unasked = true; /* nobody has looked */
	assert_true(plan_shows(plan, library, 2));
	plan->funcs[2].unasked = false;
	plan->rows[1].state = PLAN_REFUSED; /* it is there, inlined */
	assert_true(plan_uses(plan, library, 1));
	assert_true(plan_shows(plan, library, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_states),   cmocka_unit_test(frees_everything),
		cmocka_unit_test(clears_a_value), cmocka_unit_test(says_what_a_value_is),
		cmocka_unit_test(knows_keys),     cmocka_unit_test(adds_rows),
		cmocka_unit_test(sorts_sites),    cmocka_unit_test(hides_unused_libraries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
