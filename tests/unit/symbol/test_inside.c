// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_type.h"

#define STORE "tiny::store::{async_fn_env#0}"
#define OUTER "tiny::outer::{async_fn_env#0}"

/* Glue that gets a pointer to the future of outer. */
static Dwarf_Die glue_of_outer(Dwarf *dbg)
{
	Dwarf_Die die;
	bool found = tiny_die(dbg, DW_TAG_subprogram, "drop_in_place<" OUTER ">", &die) ||
		     tiny_die(dbg, DW_TAG_subprogram, "drop_glue<" OUTER ">", &die);

	assert(found);
	return die;
}

static void finds_a_future_in_a_future(void **state)
{
	struct tiny t = tiny_open();
	struct type_future store = tiny_future(t.dbg, "store");
	Dwarf_Die glue = glue_of_outer(t.dbg);
	int64_t at[TYPE_INSIDE_MAX];

	(void)state;
	assert_int_equal(type_inside(&glue, STORE, at), 1);
	assert_int_equal(at[0] + store.state, 29);          /* as the glue reads it */
	assert_int_equal(type_inside(&glue, OUTER, at), 1); /* itself */
	assert_int_equal(at[0], 0);
	type_future_free(&store);
	tiny_close(&t);
}

static void finds_values_too(void **state)
{
	struct tiny t = tiny_open();
	Dwarf_Die glue = glue_of_outer(t.dbg);
	int64_t at[TYPE_INSIDE_MAX];

	(void)state;
	assert_true(type_inside(&glue, "tiny::Guard", at) >= 1);
	assert_true(type_inside(&glue, "tiny::Pause", at) >= 1);
	assert_int_equal(type_inside(&glue, "tiny::Vote", at), 0); /* behind a reference */
	assert_int_equal(type_inside(&glue, "other::Guard", at), 0);
	assert_int_equal(type_inside(&glue, "", at), 0);
	tiny_close(&t);
}

static void nothing_without_a_pointer(void **state)
{
	struct tiny t = tiny_open();
	int64_t at[TYPE_INSIDE_MAX];
	Dwarf_Die die;

	(void)state;
	assert_true(tiny_die(t.dbg, DW_TAG_subprogram, "_start", &die));
	assert_int_equal(type_inside(&die, STORE, at), 0);
	assert_true(tiny_die(t.dbg, DW_TAG_structure_type, "Vote", &die));
	assert_int_equal(type_inside(&die, STORE, at), 0);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_future_in_a_future),
		cmocka_unit_test(finds_values_too),
		cmocka_unit_test(nothing_without_a_pointer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
