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

static void bytes_in(struct passing how, struct abi_recipe r, bool second, int tail,
		     bool in_register)
{
	bool is_second;

	assert_true(passing_in_register(&how, &r, &is_second));
	assert_int_equal(is_second, second);
	assert_int_equal(r.tail, tail);
	assert_int_equal(r.n_steps, 0);
	assert_int_equal(r.in_register, in_register);
}

static void finds_bytes_in_registers(void **state)
{
	const struct passing one = { PASSING_RAX, 0 }, two = { PASSING_PAIR, 4 },
			     wide = { PASSING_PAIR, 8 }, memory = { PASSING_MEMORY, 0 };
	struct abi_recipe pointer = { .n_steps = 1, .add = { 8 }, .width = 2, .tail = 24 };
	struct abi_recipe half = pointer;
	bool second;

	(void)state;
	bytes_in(one, (struct abi_recipe){ .width = 4, .tail = 4 }, false, 4, true);
	bytes_in(two, (struct abi_recipe){ .width = 4 }, false, 0, true);
	bytes_in(two, (struct abi_recipe){ .width = 2, .tail = 6 }, true, 2, true);
	bytes_in(wide, pointer, true, 24, false); /* it is the register */
	assert_false(passing_in_register(&one, &half, &second));
	assert_false(passing_in_register(&memory, &(struct abi_recipe){ .width = 4 }, &second));
	assert_false(
		passing_in_register(&one, &(struct abi_recipe){ .width = 8, .tail = 4 }, &second));
	assert_false(
		passing_in_register(&two, &(struct abi_recipe){ .width = 2, .tail = 2 }, &second));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_measured),
		cmocka_unit_test(scalars),
		cmocka_unit_test(finds_bytes_in_registers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
