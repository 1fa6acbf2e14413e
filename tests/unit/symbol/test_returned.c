// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/type.h"

#include <dwarf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/containers.h"
#include "symbol/results_elf.h"
#include "symbol/tiny_type.h"

static struct tiny t;
static struct plan_value out;
static struct strbuf why;

static int start(void **state)
{
	(void)state;
	t = results_open();
	return 0;
}

static void forget(void)
{
	plan_value_clear(&out);
	strbuf_free(&why);
}

static int stop(void **state)
{
	(void)state;
	forget();
	tiny_close(&t);
	return 0;
}

static bool ask_at(const struct type_place *place, const char *path)
{
	forget();
	return type_result(place, path, &out, &why);
}

static bool ask(const char *type, const char *path)
{
	struct type_place place = tiny_place(t.dbg, DW_TAG_structure_type, type);

	return ask_at(&place, path);
}

/* Test @n looks at these bytes; where it leads to the next one, and where to skip. */
static void test_is(size_t n, int tail, unsigned width, uint64_t raw)
{
	const struct plan_test *test = &out.tests[n];

	assert_int_equal(test->recipe.tail, tail);
	assert_int_equal(test->recipe.width, width);
	assert_int_equal(test->n_choices, 1);
	assert_true(test->choices[0].raw == raw);
	assert_int_equal(test->choices[0].next, n + 1);
	assert_false(test->choices[0].skip);
	assert_true(test->otherwise.skip);
}

static void number_is(size_t n, int tail, unsigned width, enum plan_reading reading)
{
	assert_int_equal(out.n_tests, n + 1);
	assert_int_equal(out.reading, reading);
	assert_int_equal(out.tests[n].n_choices, 0);
	assert_int_equal(out.tests[n].recipe.tail, tail);
	assert_int_equal(out.tests[n].recipe.width, width);
}

static void goes_through_variants(void **state)
{
	(void)state;
	assert_true(ask("Result<u64, u64>", "Ok"));
	test_is(0, 0, 8, 0);
	number_is(1, 8, 8, PLAN_NUMBER);
	assert_true(ask("Result<u64, u64>", "Err"));
	test_is(0, 0, 8, 1);
	number_is(1, 8, 8, PLAN_NUMBER);
	/* fields of a tuple, of a struct of one field, and what is behind a reference */
	assert_true(ask("Result<u64, results::Fault>", "Err.0"));
	number_is(1, 8, 8, PLAN_NUMBER);
	assert_true(ask("Result<u64, results::Fault>", "Err"));
	number_is(1, 8, 8, PLAN_NUMBER);
	assert_false(ask("Result<(results::Verdict, [u64; 3]), results::Grave>", "Ok.1"));
	assert_non_null(strstr(why.text, "is no number"));
}

/* Some(&u32) is whatever is not null: the raw values of the others are left out. */
static void finds_what_has_no_value_of_its_own(void **state)
{
	(void)state;
	assert_true(ask("Option<&u32>", "Some"));
	number_is(1, 0, 4, PLAN_NUMBER);
	assert_int_equal(out.tests[1].recipe.n_steps, 1);
	assert_int_equal(out.tests[0].n_choices, 1);
	assert_true(out.tests[0].choices[0].skip && out.tests[0].choices[0].raw == 0);
	assert_int_equal(out.tests[0].otherwise.next, 1);
	assert_false(out.tests[0].otherwise.skip);
}

static void takes_a_number_itself(void **state)
{
	struct type_place place = tiny_place(t.dbg, DW_TAG_base_type, "u32");

	(void)state;
	assert_true(ask_at(&place, "number"));
	number_is(0, 0, 4, PLAN_NUMBER);
	assert_false(ask_at(&place, "Ok"));
	assert_string_equal(why.text,
			    "u32 has nothing in it; a number itself is called \"number\"");
	assert_true(ask("Fault", "number")); /* a newtype */
	number_is(0, 0, 8, PLAN_NUMBER);
	assert_false(ask("Result<u64, u64>", "number"));
	assert_string_equal(why.text, "no variant \"number\" in Result<u64, u64>; it has Ok, Err");
}

static void finds_lengths_and_fields(void **state)
{
	struct containers c = containers_open();
	struct type_place held = containers_held(&c), option = held, vec = held;

	(void)state;
	assert_true(ask_at(&held, "vec.len()"));
	assert_int_equal(out.n_tests, 1);
	assert_int_equal(out.tests[0].recipe.width, 8);
	assert_true(ask_at(&held, "signed"));
	number_is(0, (int)containers_offset(&c, "Held", "signed"), 4, PLAN_SIGNED);
	assert_true(type_follow(&option, "option", &why));
	assert_true(ask_at(&option, "Some.len()"));
	assert_int_equal(out.n_tests, 2);
	assert_false(ask_at(&option, "Some"));
	assert_non_null(strstr(why.text, "is no number; how many there are is len()"));
	assert_false(ask_at(&option, "None"));
	assert_non_null(strstr(why.text, "None of Option<"));
	assert_non_null(strstr(why.text, " holds nothing"));
	assert_true(type_follow(&vec, "vec", &why));
	assert_true(ask_at(&vec, "len()"));
	assert_int_equal(out.n_tests, 1);
	assert_false(ask_at(&held, "stock.len()"));
	assert_non_null(strstr(why.text, "is secret by its name and is never read"));
	containers_close(&c);
}

static void enters_payloads(void **state)
{
	struct type_place place =
		tiny_place(t.dbg, DW_TAG_structure_type, "Result<u64, results::Fault>");
	struct type_place ok = place, err = place;

	(void)state;
	assert_true(type_enter_payload(&ok, "Ok") && type_enter_payload(&err, "Err"));
	assert_string_equal(dwarf_diename(&ok.type), "u64");
	assert_string_equal(dwarf_diename(&err.type), "Fault");
	assert_int_equal(ok.recipe.tail, 8);
	assert_false(type_enter_payload(&place, "Some"));
	place = tiny_place(t.dbg, DW_TAG_structure_type, "Option<&u32>");
	assert_false(type_enter_payload(&place, "None"));
}

static void says_what_is_wrong(void **state)
{
	static const char deep[] = "Option<core::option::Option<results::Verdict>>";
	static const char large[] =
		"Result<core::result::Result<results::Verdict, [u64; 2]>, results::Grave>";

	(void)state;
	assert_false(ask("Result<u64, u64>", "ok"));
	assert_string_equal(why.text,
			    "no variant \"ok\" in Result<u64, u64>; did you mean \"Ok\"?");
	assert_false(ask("Result<u64, u64>", "Ok.count"));
	assert_string_equal(why.text, "no field \"count\" in u64");
	assert_false(ask(large, "Ok"));
	assert_non_null(strstr(why.text, " is an enum; name one of its variants: Ok, Err"));
	assert_false(ask(deep, "Some.Some.Accepted"));
	assert_string_equal(why.text,
			    "the variants of Verdict hold nothing; count them with a label");
	assert_false(ask(deep, "Some.Some"));
	assert_non_null(strstr(why.text, "Verdict is no number"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(goes_through_variants, start, stop),
		cmocka_unit_test_setup_teardown(finds_what_has_no_value_of_its_own, start, stop),
		cmocka_unit_test_setup_teardown(takes_a_number_itself, start, stop),
		cmocka_unit_test_setup_teardown(finds_lengths_and_fields, start, stop),
		cmocka_unit_test_setup_teardown(enters_payloads, start, stop),
		cmocka_unit_test_setup_teardown(says_what_is_wrong, start, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
