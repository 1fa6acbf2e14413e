// SPDX-License-Identifier: BSD-2-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/tiny_type.h"

static struct plan_value out;
static struct strbuf why;

static int clear(void **state)
{
	(void)state;
	plan_value_clear(&out);
	strbuf_free(&why);
	return 0;
}

/* Builds the tests of a value with these pairs of raw and label, which end in NULL.
 * An empty label is skipped. */
static bool build(const struct type_place *place, const char *const *pairs)
{
	struct profile_choice choices[ABI_CHOICES_MAX + 4];
	struct profile_value value = { .choices = choices };

	clear(NULL);
	for (; *pairs; pairs += 2)
		choices[value.n_choices++] =
			(struct profile_choice){ (char *)pairs[0],
						 *pairs[1] ? (char *)pairs[1] : NULL };
	return type_tests(place, &value, &out, &why);
}

#define BUILD(place, ...) build(place, (const char *const[]){ __VA_ARGS__, NULL })

static void choice_is(const struct plan_choice *c, uint64_t raw, const char *label, unsigned next)
{
	assert_true(c->raw == raw);
	assert_int_equal(c->next, next);
	if (label)
		assert_string_equal(c->label, label);
	else
		assert_null(c->label);
}

static void tells_numbers(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p = tiny_place(t.dbg, DW_TAG_base_type, "u32");

	(void)state;
	p.recipe.reg = ABI_REG_KEY;
	p.recipe.tail = -7;
	assert_true(BUILD(&p, "0", "none", "0x10", "hex", "-1", "all"));
	assert_int_equal(out.n_tests, 1);
	assert_int_equal(out.tests[0].recipe.width, 4);
	assert_int_equal(out.tests[0].recipe.tail, -7);
	assert_int_equal(out.tests[0].n_choices, 3);
	choice_is(&out.tests[0].choices[1], 16, "hex", 0);
	choice_is(&out.tests[0].choices[2], UINT32_MAX, "all", 0); /* of this width only */
	choice_is(&out.tests[0].otherwise, 0, NULL, 0);
	assert_false(BUILD(&p, "many", "x"));
	assert_non_null(strstr(why.text, "\"many\" is no value of a number"));
	assert_false(BUILD(&p, "99999999999999999999", "x"));
	tiny_close(&t);
}

static void tells_bools(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p = tiny_place(t.dbg, DW_TAG_base_type, "bool");

	(void)state;
	assert_true(BUILD(&p, "true", "yes", "false", "no"));
	assert_int_equal(out.tests[0].recipe.width, 1);
	choice_is(&out.tests[0].choices[0], 1, "yes", 0);
	choice_is(&out.tests[0].choices[1], 0, "no", 0);
	tiny_close(&t);
}

/* What is skipped is told from what nobody named. */
static void skips(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p = tiny_place(t.dbg, DW_TAG_enumeration_type, "Kind");

	(void)state;
	assert_true(BUILD(&p, "Timeout", "late", "Malformed", ""));
	choice_is(&out.tests[0].choices[0], 5, "late", 0);
	choice_is(&out.tests[0].choices[1], 6, NULL, 0);
	assert_false(out.tests[0].choices[0].skip);
	assert_true(out.tests[0].choices[1].skip);
	assert_false(out.tests[0].otherwise.skip);
	p = tiny_place(t.dbg, DW_TAG_structure_type, "Result<tiny::Verdict, tiny::Fault>");
	assert_true(BUILD(&p, "Ok", "", "Err", "bad"));
	assert_int_equal(out.n_tests, 1);
	assert_int_equal(out.tests[0].choices[0].skip + out.tests[0].choices[1].skip, 1);
	tiny_close(&t);
}

static void tells_enumerators(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p = tiny_place(t.dbg, DW_TAG_enumeration_type, "Kind");

	(void)state;
	assert_true(BUILD(&p, "Timeout", "late", "Malformed", "bad"));
	assert_int_equal(out.n_tests, 1);
	assert_int_equal(out.tests[0].n_choices, 2);
	choice_is(&out.tests[0].choices[0], 5, "late", 0);
	choice_is(&out.tests[0].choices[1], 6, "bad", 0);
	assert_false(BUILD(&p, "Timeot", "late"));
	assert_non_null(strstr(why.text, "no variant \"Timeot\" in Kind"));
	tiny_close(&t);
}

/* Result<Verdict, Fault>: a tag, and in Ok an enum of its own. */
static void tells_variants(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p =
		tiny_place(t.dbg, DW_TAG_structure_type, "Result<tiny::Verdict, tiny::Fault>");
	unsigned inner;

	(void)state;
	assert_true(BUILD(&p, "Ok", "fine", "Err", "bad"));
	assert_int_equal(out.n_tests, 1);
	assert_int_equal(out.tests[0].n_choices, 2);
	assert_true(BUILD(&p, "Ok.Accepted", "acc", "Ok.Rejected", "rej", "Err", "bad"));
	assert_int_equal(out.n_tests, 2);
	inner = out.tests[0].choices[0].next ? out.tests[0].choices[0].next :
					       out.tests[0].choices[1].next;
	assert_int_equal(inner, 1);
	assert_int_equal(out.tests[1].n_choices, 2);
	assert_true(out.tests[1].recipe.tail > out.tests[0].recipe.tail);
	assert_true(BUILD(&p, "Ok.Accepted", "acc")); /* the others are unknown */
	assert_int_equal(out.tests[1].n_choices, 1);
	assert_false(BUILD(&p, "Ok.Maybe", "x"));
	assert_non_null(strstr(why.text, "no variant \"Maybe\""));
	assert_false(BUILD(&p, "Accepted", "x"));
	assert_false(BUILD(&p, "Err.Some", "x")); /* Fault is no enum */
	assert_true(why.len > 0);
	tiny_close(&t);
}

/* Fault(u32, …): the tag, and where it says Err a number in a struct. */
static void tells_numbers_in_variants(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p =
		tiny_place(t.dbg, DW_TAG_structure_type, "Result<tiny::Verdict, tiny::Fault>");

	(void)state;
	assert_true(BUILD(&p, "Err.__0.7", "seven", "Err.__0.300", "more", "Ok", ""));
	assert_int_equal(out.n_tests, 2);
	assert_int_equal(out.tests[0].n_choices, 2);
	assert_int_equal(out.tests[0].choices[0].skip + out.tests[0].choices[1].skip, 1);
	assert_int_equal(out.tests[0].choices[0].next + out.tests[0].choices[1].next, 1);
	assert_int_equal(out.tests[1].recipe.width, 4);
	assert_int_equal(out.tests[1].n_choices, 2);
	choice_is(&out.tests[1].choices[0], 7, "seven", 0);
	choice_is(&out.tests[1].choices[1], 300, "more", 0);
	choice_is(&out.tests[1].otherwise, 0, NULL, 0);
	assert_false(BUILD(&p, "Err.__0.seven", "x"));
	assert_non_null(strstr(why.text, "\"seven\" is no value of a number"));
	assert_false(BUILD(&p, "Err.code.7", "x")); /* no such field */
	assert_non_null(strstr(why.text, "not an enum (type Fault)"));
	assert_false(BUILD(&p, "Err.__0.7", "x", "Err.__1.7", "y")); /* one way, not two */
	tiny_close(&t);
}

static void refuses_other_types(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p = tiny_place(t.dbg, DW_TAG_structure_type, "Vote");

	(void)state;
	assert_false(BUILD(&p, "true", "x"));
	assert_non_null(strstr(why.text, "not an enum (type Vote)"));
	tiny_close(&t);
}

/* A reference is followed, as far as a recipe goes. */
static void follows_references(void **state)
{
	struct tiny t = tiny_open();
	struct type_place p = tiny_place(t.dbg, DW_TAG_pointer_type, "&tiny::Vote");

	(void)state;
	p.recipe.tail = 8;
	assert_false(BUILD(&p, "true", "x")); /* to a struct */
	assert_non_null(strstr(why.text, "type Vote"));
	p.recipe.n_steps = ABI_STEPS_MAX;
	assert_false(BUILD(&p, "true", "x"));
	tiny_close(&t);
}

static void refuses_too_many(void **state)
{
	static const char *const pairs[] = {
		"1",  "a", "2",  "a", "3",  "a", "4",  "a", "5",  "a", "6",  "a",
		"7",  "a", "8",  "a", "9",  "a", "10", "a", "11", "a", "12", "a",
		"13", "a", "14", "a", "15", "a", "16", "a", "17", "a", NULL,
	};
	struct tiny t = tiny_open();
	struct type_place p = tiny_place(t.dbg, DW_TAG_base_type, "u32");

	(void)state;
	assert_false(build(&p, pairs));
	assert_non_null(strstr(why.text, "too many choices"));
	assert_true(build(&p, pairs + 2));
	assert_int_equal(out.tests[0].n_choices, ABI_CHOICES_MAX);
	tiny_close(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(tells_numbers, clear),
		cmocka_unit_test_teardown(tells_bools, clear),
		cmocka_unit_test_teardown(skips, clear),
		cmocka_unit_test_teardown(tells_enumerators, clear),
		cmocka_unit_test_teardown(tells_variants, clear),
		cmocka_unit_test_teardown(tells_numbers_in_variants, clear),
		cmocka_unit_test_teardown(refuses_other_types, clear),
		cmocka_unit_test_teardown(follows_references, clear),
		cmocka_unit_test_teardown(refuses_too_many, clear),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
