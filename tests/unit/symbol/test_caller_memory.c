// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/caller.h"
#include "symbol/results_caller.h"

/* stored::caller keeps `result` at 0 of its future, judge's state byte is at 0x28. */
static void finds_what_the_caller_keeps(void **state)
{
	bool found = false;

	(void)state;
	open_caller("stored::judge");
	for (size_t i = 0; i < caller.slots.n; i++) {
		const struct caller_slot *slot = &caller.slots.at[i];

		found |= slot->reg == REG_NONE && slot->off == -0x28;
		/* a `let` may hold what the caller made of it */
		assert_true(slot->reg != REG_NONE || !slot->untouched);
	}
	assert_true(found);
}

/* tested::caller matches at once: nothing of that type outlives the await. */
static void finds_nothing_where_nothing_is_kept(void **state)
{
	(void)state;
	open_caller("tested::judge");
	for (size_t i = 0; i < caller.slots.n; i++)
		assert_int_not_equal(caller.slots.at[i].reg, REG_NONE);
}

/* Slots are for the result's type: with another one there are none. */
static void looks_for_the_type(void **state)
{
	(void)state;
	open_caller("stored::judge");
	caller.slots.n = caller.names.n = 0;
	assert_true(tiny_die(t.dbg, DW_TAG_structure_type, "Result<u64, u64>", &caller.result));
	caller_find_slots(&caller);
	assert_int_equal(caller.slots.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(finds_what_the_caller_keeps, start, stop),
		cmocka_unit_test_setup_teardown(finds_nothing_where_nothing_is_kept, start, stop),
		cmocka_unit_test_setup_teardown(looks_for_the_type, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
