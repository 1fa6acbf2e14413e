// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/caller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/results_caller.h"

/* Address of the first instruction of @bytes in the poll function with @part in its name. */
static uint64_t address(const char *part, const void *bytes, size_t n)
{
	struct function *fn = tiny_open_function(&t, part);
	size_t i = tiny_insn(fn, bytes, n);
	uint64_t addr;

	assert_int_not_equal(i, CODE_NONE);
	addr = fn->code->at[i].addr;
	function_free(fn);
	return addr;
}

static void knows_the_call(void **state)
{
	(void)state;
	open_caller("tested::judge");
	assert_non_null(strstr(caller.file, "results.rs"));
	assert_int_equal(caller.line, 64);
	assert_int_equal(caller.column, 24); /* .await */
	assert_string_equal(dwarf_diename(&caller.poll),
			    "Poll<core::result::Result<u64, results::Fault>>");
	assert_string_equal(dwarf_diename(&caller.result), "Result<u64, results::Fault>");
	assert_int_equal(caller.tag.offset, 0);
	assert_int_equal(caller.tag.width, 8);
	assert_int_equal(caller.pending, 2);
	assert_true(caller.ranges.n > 0);
}

static void knows_the_await_line(void **state)
{
	static const uint8_t test[] = { 0x48, 0x83, 0xf8, 0x02 }, push[] = { 0x55 };
	uint64_t addr = address("6tested6caller", test, sizeof(test));

	(void)state;
	open_caller("tested::judge");
	assert_int_equal(caller_line(&caller, addr), CALLER_EXACTLY);
	assert_int_equal(caller_line(&caller, address("6tested6caller", push, sizeof(push))),
			 CALLER_ELSEWHERE);
	/* not the caller's, but the poll's own */
	assert_int_equal(caller_line(&caller, caller.ranges.at[0].lo), CALLER_ELSEWHERE);
	caller.column++;
	assert_int_equal(caller_line(&caller, addr), CALLER_LINE);
	caller.line++;
	assert_int_equal(caller_line(&caller, addr), CALLER_ELSEWHERE);
}

/* judge(x).await? in matched: branch(self: Result<u64, Grave>) */
static void knows_who_takes_the_result(void **state)
{
	bool parameter = false;
	uint64_t addr = 0;

	(void)state;
	open_caller("matched::judge");
	assert_int_equal(caller.matches.n, 1);
	for (size_t i = 0; i < caller.names.n; i++)
		parameter |= caller.names.at[i].untouched &&
			     dwarf_tag(&caller.names.at[i].die) == DW_TAG_formal_parameter;
	assert_true(parameter);
	for (ptrdiff_t at = 0;;) {
		Dwarf_Addr base, from, to;

		at = dwarf_ranges(&caller.matches.at[0], at, &base, &from, &to);
		if (at <= 0)
			break;
		addr = from;
	}
	assert_true(caller_matches(&caller, addr));
	assert_false(caller_matches(&caller, caller.ranges.at[0].lo));
}

/* Wherever a name says where the tag is, it is a register or a constant of the tag. */
static void names_places(void **state)
{
	struct function *fn = tiny_open_function(&t, "7results6joined6caller0B5_");
	size_t registers = 0;

	(void)state;
	open_caller("joined::judge");
	for (size_t i = 0; i < fn->code->n; i++) {
		struct caller_place place = caller_names(&caller, fn->code->at[i].addr);

		assert_int_not_equal(place.kind, CALLER_CONFLICT);
		registers += place.kind == CALLER_REGISTER && place.reg == REG_R15;
	}
	assert_true(registers > 0);
	function_free(fn);
}

/* Of parts the same, within the scope of what speaks of them; T begins behind Poll's tag. */
static void names_parts(void **state)
{
	struct function *fn = tiny_open_function(&t, "7results6joined6caller0B5_");
	size_t tags = 0, numbers = 0;

	(void)state;
	open_caller("joined::judge");
	assert_int_equal(caller_result_offset(&caller), 0);
	for (size_t i = 0; i < fn->code->n; i++) {
		uint64_t addr = fn->code->at[i].addr;
		struct caller_place tag = caller_part(&caller, addr, 0, 8);
		struct caller_place number = caller_part(&caller, addr, 8, 8);

		assert_int_not_equal(tag.kind, CALLER_CONFLICT);
		tags += tag.kind == CALLER_REGISTER && tag.reg == REG_R15;
		numbers += number.kind == CALLER_REGISTER && number.reg != REG_R15;
		assert_int_equal(caller_part(&caller, addr, 64, 8).kind, CALLER_NOWHERE);
		assert_int_equal(caller_part(&caller, addr, -8, 8).kind, CALLER_NOWHERE);
	}
	assert_true(tags > 0 && numbers > 0);
	function_free(fn);
}

static void knows_where_the_result_begins(void **state)
{
	(void)state;
	open_caller("number::judge");
	assert_int_equal(caller_result_offset(&caller), 4);
}

static void says_what_is_missing(void **state)
{
	_strbuf_ struct strbuf why = {};
	struct debug_hit hit;

	(void)state;
	profile = results_profile("tested::judge", "{Ok: ok}");
	hit = results_inlined(&t, profile);
	hit.die = hit.enclosing; /* nothing was inlined at itself */
	assert_false(caller_open(&hit, &caller, &why));
	assert_string_equal(why.text, "the debug information does not say where it was inlined");
}

static void compares_types(void **state)
{
	Dwarf_Die a, b;

	(void)state;
	assert_true(tiny_die(t.dbg, DW_TAG_structure_type, "Result<u64, results::Fault>", &a));
	assert_true(tiny_die(t.dbg, DW_TAG_structure_type, "Result<u64, u64>", &b));
	assert_true(caller_same_type(&a, &a));
	assert_false(caller_same_type(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(knows_the_call, start, stop),
		cmocka_unit_test_setup_teardown(knows_the_await_line, start, stop),
		cmocka_unit_test_setup_teardown(knows_who_takes_the_result, start, stop),
		cmocka_unit_test_setup_teardown(names_places, start, stop),
		cmocka_unit_test_setup_teardown(names_parts, start, stop),
		cmocka_unit_test_setup_teardown(knows_where_the_result_begins, start, stop),
		cmocka_unit_test_setup_teardown(says_what_is_missing, start, stop),
		cmocka_unit_test_setup_teardown(compares_types, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
