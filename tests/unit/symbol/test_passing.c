// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/passing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/results_elf.h"

static void is(const struct tiny *t, const char *name, enum passing_kind kind, uint64_t second)
{
	struct passing how;
	Dwarf_Die type;

	assert_true(tiny_die(t->dbg, DW_TAG_structure_type, name, &type));
	how = passing_of(&type);
	assert_int_equal(how.kind, kind);
	assert_int_equal(how.second, second);
}

/* As the instructions of results.elf show. */
static void as_measured(void **state)
{
	struct tiny t = results_open();

	(void)state;
	is(&t, "Result<u64, u64>", PASSING_PAIR, 8);
	is(&t, "Result<results::Verdict, u8>", PASSING_PAIR, 1);
	is(&t, "Result<u64, results::Fault>", PASSING_PAIR, 8);
	is(&t, "Option<&u32>", PASSING_RAX, 0);
	is(&t, "Option<core::option::Option<results::Verdict>>", PASSING_RAX, 0);
	is(&t, "Result<results::Verdict, u32>", PASSING_RAX, 0);
	is(&t, "Result<[u8; 3], u8>", PASSING_RAX, 0);
	is(&t, "Result<[u32; 3], u32>", PASSING_MEMORY, 0);
	is(&t, "Result<u64, results::Grave>", PASSING_MEMORY, 0);
	tiny_close(&t);
}

static void scalars(void **state)
{
	struct tiny t = results_open();
	Dwarf_Die type;

	(void)state;
	assert_true(tiny_die(t.dbg, DW_TAG_base_type, "u64", &type));
	assert_int_equal(passing_of(&type).kind, PASSING_RAX);
	assert_true(tiny_die(t.dbg, DW_TAG_enumeration_type, "Verdict", &type));
	assert_int_equal(passing_of(&type).kind, PASSING_RAX);
	assert_true(tiny_die(t.dbg, DW_TAG_namespace, "plain", &type)); /* no type at all */
	assert_int_equal(passing_of(&type).kind, PASSING_UNKNOWN);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_measured),
		cmocka_unit_test(scalars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
