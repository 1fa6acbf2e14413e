// SPDX-License-Identifier: BSD-2-Clause
/* The functions that feed a metric. */
#include "profile/build.h"

#include "expect.h"

/* One counter whose sources begin on line 7 (from: itself stands on line 6). */
#define FROM(text)            \
	"profile: t\n"        \
	"metrics:\n"          \
	"  mpc_a_total:\n"    \
	"    type: counter\n" \
	"    help: H\n"       \
	"    from:" text "\n"
#define A "metric \"mpc_a_total\""

static void reads_each_form(void **state)
{
	struct profile *profile = parse_good(FROM(" a::b"));

	(void)state;
	assert_int_equal(profile->n_funcs, 1);
	assert_string_equal(profile->funcs[0].name, "a::b");
	assert_int_equal(profile->funcs[0].line, 6);
	assert_true(profile->funcs[0].required);
	assert_int_equal(profile->metrics[0].sources[0].on, PROFILE_END_RETURN);
	profile_free(profile);

	profile =
		parse_good(FROM("\n      - a::b\n      - {function: a::c, on: [panic, cancel], "
				"optional: true}\n      - {function: \"*::d\", optional: false}"));
	assert_int_equal(profile->n_funcs, 3);
	assert_int_equal(profile->metrics[0].n_sources, 3);
	assert_int_equal(profile->metrics[0].sources[1].func, 1);
	assert_int_equal(profile->metrics[0].sources[1].on, PROFILE_END_PANIC | PROFILE_END_CANCEL);
	assert_false(profile->funcs[1].required);
	assert_true(profile->funcs[2].required);
	profile_free(profile);
}

/* Named optional once and needed elsewhere: needed. */
static void names_a_function_once(void **state)
{
	struct profile *profile =
		parse_good(FROM("\n      - {function: a::b, on: [panic], optional: true}"
				"\n      - {function: a::b, on: [return, cancel]}"));

	(void)state;
	assert_int_equal(profile->n_funcs, 1);
	assert_true(profile->funcs[0].required);
	assert_int_equal(profile->metrics[0].n_sources, 2);
	profile_free(profile);
}

static void adds_labels_to_the_metric_s(void **state)
{
	struct profile *profile =
		parse_good(FROM("\n      - {function: a::b, labels: {y: b}}"
				"\n      - {function: a::c, labels: {y: c}}\n    labels: {x: a}"));
	const struct profile_metric *metric = &profile->metrics[0];

	(void)state;
	assert_int_equal(metric->n_labels, 2);
	assert_string_equal(metric->labels[0].name, "x");
	assert_string_equal(metric->labels[1].name, "y");
	assert_int_equal(metric->labels[0].n_values, 1);
	assert_int_equal(metric->labels[1].n_values, 2);
	assert_int_equal(metric->sources[1].labels[0].index, 0);
	assert_int_equal(metric->sources[1].labels[1].index, 1);
	profile_free(profile);
}

static void refuses_forms(void **state)
{
	static const struct fault_case cases[] = {
		{ FROM(""), 6, 5, "from", "a source of " A " must be text, but here is nothing" },
		{ FROM(" []"), 6, 11, "[]", "\"from\" of " A " is empty" },
		{ FROM(" {function: a::b}"), 6, 11, "{function: a::b}",
		  "\"from\" of " A
		  " must be a function or a list; put \"- \" in front of this source" },
		{ FROM("\n      - [a::b]"), 7, 9, "[a::b]",
		  "a source of " A " must be text, but here is a list" },
		{ FROM("\n      - {}"), 7, 9, "{}", "a source of " A " is empty" },
		{ FROM("\n      - {labels: {x: a}}"), 7, 9, "{labels: {x: a}}",
		  "a source of " A " lacks the key \"function\"" },
		{ FROM("\n      - {func: a::b, function: a::b}"), 7, 10, "func",
		  "unknown key \"func\" in a source of " A
		  "; it may have function, labels, value, on, optional" },
		{ FROM("\n      - {function: a::b, label: {x: a}}"), 7, 26, "label",
		  "unknown key \"label\" in a source of " A "; did you mean \"labels\"?" },
		{ FROM(" a::b::{{closure}}"), 6, 17, "{{closure}}",
		  "function \"a::b::{{closure}}\" names a closure; name the function itself, the agent finds what it compiles to" },
		{ FROM(" f"), 6, 11, "f",
		  "function \"f\" must have at least two segments, like Type::function" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_ends(void **state)
{
#define ON(text) FROM("\n      - {function: a::b, " text "}")
	static const struct fault_case cases[] = {
		{ ON("on: return"), 7, 30, "return",
		  "\"on\" must be a list [a, b], but here is text" },
		{ ON("on: []"), 7, 30, "[]", "\"on\" is empty" },
		{ ON("on: [retrun]"), 7, 31, "retrun",
		  "unknown end \"retrun\" in \"on\"; did you mean \"return\"?" },
		{ ON("on: [error]"), 7, 31, "error",
		  "unknown end \"error\" in \"on\"; a call ends by return, panic or cancel" },
		{ ON("on: [panic, panic]"), 7, 38, "panic", "\"panic\" stands twice in \"on\"" },
		{ ON("on: [{a: b}]"), 7, 31, "{a: b}",
		  "an item of \"on\" must be text, but here is a mapping" },
		{ ON("optional: yes"), 7, 36, "yes", "\"optional\" must be true or false" },
		{ ON("optional: [true]"), 7, 36, "[true]",
		  "\"optional\" must be text, but here is a list" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void wants_the_same_labels_everywhere(void **state)
{
	static const struct fault_case cases[] = {
		{ FROM("\n      - {function: a::b, labels: {x: a}}\n      - a::c"), 8, 9, "a::c",
		  "this source of " A " lacks the label \"x\"; all sources give the same labels" },
		{ FROM("\n      - a::c\n      - {function: a::b, labels: {x: a}}"), 8, 35, "x",
		  "label \"x\" is missing in the first source of " A
		  "; all sources give the same labels" },
		{ FROM("\n      - {function: a::b, labels: {x: a}}\n    labels: {x: b}"), 7, 35,
		  "x", "label \"x\" stands in " A " and again in a source of it" },
		{ FROM(" a::b\n    labels: {p: a, q: a, r: a, s: a, t: a}"), 7, 38, "t",
		  A " has more than 4 labels" },
		{ FROM("\n      - {function: a::b, labels: {r: a, s: a, t: a}}\n    labels: {p: a, q: a}"),
		  7, 47, "t", A " has more than 4 labels" },
		{ FROM(" a::b\n    labels: [x]"), 7, 13, "[x]",
		  "labels of " A " must be a mapping (name: value), but here is a list" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void counts_each_call_once(void **state)
{
	static const struct fault_case cases[] = {
		{ FROM("\n      - a::b\n      - {function: a::b, on: [panic, return]}"), 8, 20,
		  "a::b", "\"a::b\" feeds " A " twice: its calls would be counted twice" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void bounds_metrics_of_a_function(void **state)
{
	_strbuf_ struct strbuf yaml = {};
	struct fault_case want = { .line = 22,
				   .column = 11,
				   .word = "a::b",
				   .sentence = "\"a::b\" feeds more than 4 metrics" };
	struct profile_faults faults;

	(void)state;
	strbuf_puts(&yaml, "profile: t\nmetrics:\n");
	for (int i = 0; i < 6; i++)
		strbuf_printf(&yaml,
			      "  m%d_total:\n    type: counter\n    help: H\n    from: a::b\n", i);
	want.yaml = yaml.text;
	faults = parse_bad(yaml.text, yaml.len);
	assert_int_equal(faults.n, 1);
	expect_fault_in(&faults, 0, &want);
	profile_faults_free(&faults);
}

static void bounds_functions(void **state)
{
	_strbuf_ struct strbuf yaml = {};
	struct fault_case want = { .line = 135, .column = 9, .word = "a::f128" };
	struct profile_faults faults;

	(void)state;
	strbuf_puts(&yaml, FROM(""));
	for (int i = 0; i < PROFILE_FUNCS_MAX; i++)
		strbuf_printf(&yaml, "      - a::f%d\n", i);
	profile_free(parse_good(yaml.text));
	strbuf_puts(&yaml, "      - a::f128\n");
	want.yaml = yaml.text;
	want.sentence = "this is function number 129 of the profile; 128 is the most";
	faults = parse_bad(yaml.text, yaml.len);
	assert_int_equal(faults.n, 1);
	expect_fault_in(&faults, 0, &want);
	profile_faults_free(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_each_form),
		cmocka_unit_test(names_a_function_once),
		cmocka_unit_test(adds_labels_to_the_metric_s),
		cmocka_unit_test(refuses_forms),
		cmocka_unit_test(refuses_ends),
		cmocka_unit_test(wants_the_same_labels_everywhere),
		cmocka_unit_test(counts_each_call_once),
		cmocka_unit_test(bounds_metrics_of_a_function),
		cmocka_unit_test(bounds_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
