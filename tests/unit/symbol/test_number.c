// SPDX-License-Identifier: BSD-2-Clause
#include "symbol/type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "symbol/containers.h"

typedef bool reader(const struct type_place *place, struct plan_value *out, struct strbuf *why);

static bool ask_for(reader *read, const char *path, struct plan_value *out, struct strbuf *why)
{
	struct containers c = containers_open();
	struct type_place place = containers_held(&c);
	bool found;

	*out = (struct plan_value){};
	if (!type_follow(&place, path, why))
		fail_msg("%s: %s", path, why->text);
	found = read(&place, out, why);
	containers_close(&c);
	return found;
}

static bool ask(const char *path, struct plan_value *out, struct strbuf *why)
{
	return ask_for(type_number, path, out, why);
}

static void is_number(const char *path, unsigned width, unsigned steps, enum plan_reading reading)
{
	_strbuf_ struct strbuf why = {};
	struct plan_value value;

	if (!ask(path, &value, &why))
		fail_msg("%s: %s", path, why.text);
	assert_int_equal(value.reading, reading);
	assert_int_equal(value.n_tests, 1);
	assert_int_equal(value.tests[0].n_choices, 0);
	assert_int_equal(value.tests[0].recipe.width, width);
	assert_int_equal(value.tests[0].recipe.n_steps, steps);
}

static void reads_integers(void **state)
{
	(void)state;
	is_number("small", 1, 0, PLAN_NUMBER);
	is_number("signed", 4, 0, PLAN_SIGNED);
	is_number("size", 8, 0, PLAN_NUMBER);
	is_number("vec.len()", 8, 0, PLAN_NUMBER);
}

static void goes_through_newtypes_and_pointers(void **state)
{
	(void)state;
	is_number("nonzero", 2, 0, PLAN_NUMBER);
	is_number("atomic", 8, 0, PLAN_NUMBER);
	is_number("shared_atomic", 4, 1, PLAN_SIGNED);
	is_number("reference", 8, 1, PLAN_NUMBER);
}

static void refuses(const char *path, const char *want)
{
	_strbuf_ struct strbuf why = {};
	struct plan_value value;

	assert_false(ask(path, &value, &why));
	if (!strstr(why.text, want))
		fail_msg("%s: \"%s\" does not say \"%s\"", path, why.text, want);
	assert_int_equal(value.n_tests, 0);
}

static void refuses_what_is_none(void **state)
{
	(void)state;
	refuses("wide", "u128 is larger than 8 bytes");
	refuses("flag", "bool is true or false and no number; count it with a label");
	refuses("letter", "char is no whole number");
	refuses("real", "f64 is no whole number");
	refuses("vec", "Vec<u32, alloc::alloc::Global> is no number; how many there are is len()");
	refuses("text", "&str is no number; how many there are is len()");
	refuses("option", "is no number");
	refuses("beside", "Beside is no number");
	refuses("raw_bytes", "*const u8 is no number"); /* the first byte of what it points to */
}

static void is_time(const char *path, unsigned steps)
{
	_strbuf_ struct strbuf why = {};
	struct plan_value value;

	if (!ask_for(type_time, path, &value, &why))
		fail_msg("%s: %s", path, why.text);
	assert_int_equal(value.reading, PLAN_TIME);
	assert_int_equal(value.n_tests, 2);
	assert_int_equal(value.tests[0].recipe.width, 8);
	assert_int_equal(value.tests[1].recipe.width, 4);
	assert_int_equal(value.tests[0].recipe.n_steps, steps);
	assert_int_equal(value.tests[1].recipe.n_steps, steps);
	assert_int_equal(value.tests[1].recipe.tail, value.tests[0].recipe.tail + 8);
}

static void reads_times(void **state)
{
	(void)state;
	is_time("time.as_secs_f64()", 0);
	is_time("time_behind.as_secs_f64()", 1);
	is_time("perhaps.as_secs_f64()", 0);
}

static void refuses_what_is_no_time(void **state)
{
	static const char *const cases[][2] = {
		{ "size.as_secs_f64()", "usize is no Duration" },
		{ "text.as_secs_f64()", "&str is no Duration" },
		{ "tagged.as_secs_f64()", "is no Duration" },
		{ "raw_bytes.as_secs_f64()", "u8 is no Duration" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_strbuf_ struct strbuf why = {};
		struct plan_value value;

		assert_false(ask_for(type_time, cases[i][0], &value, &why));
		if (!strstr(why.text, cases[i][1]))
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i][0], why.text,
				 cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_integers),
		cmocka_unit_test(goes_through_newtypes_and_pointers),
		cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(reads_times),
		cmocka_unit_test(refuses_what_is_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
