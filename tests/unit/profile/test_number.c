// SPDX-License-Identifier: BSD-2-Clause
/* Metrics that add up or observe a number of each call. */
#include "profile/build.h"

#include "expect.h"

#define HEAD "profile: t\nmetrics:\n"
#define COUNTER(rest) HEAD "  x_total:\n    type: counter\n    help: H\n" rest
#define HISTOGRAM(name, rest) HEAD "  " name ":\n    type: histogram\n    help: H\n" rest
#define X "metric \"x_total\""

static void reads_numbers(void **state)
{
	struct profile *profile = parse_good(
		HEAD "  x_bytes_total:\n    type: counter\n    help: H\n    from: a::b\n"
		     "    value: {arg: request.payload.len()}\n"
		     "  x_items:\n    type: histogram\n    help: H\n    from: a::b\n"
		     "    buckets: [0, 1, 10, 1e3]\n    value: {arg: request.payload.len()}\n"
		     "    labels: {kind: {arg: request.kind, values: {A: a}}}\n");
	const struct profile_metric *metric = &profile->metrics[0];

	(void)state;
	assert_true(metric->is_of_numbers);
	assert_string_equal(metric->unit, "bytes");
	assert_int_equal(profile->funcs[0].n_values, 2); /* the number is captured once */
	assert_true(profile->funcs[0].values[0].is_number);
	assert_int_equal(profile->funcs[0].values[0].kind, PROFILE_VALUE_ARG);
	assert_string_equal(profile->funcs[0].values[0].path, "request.payload.len()");
	assert_int_equal(profile->funcs[0].values[0].n_choices, 0);
	assert_false(profile->funcs[0].values[1].is_number);
	metric = &profile->metrics[1];
	assert_true(metric->is_of_numbers);
	assert_string_equal(metric->unit, "");
	assert_int_equal(metric->n_bounds, 4);
	assert_true(metric->bounds[0] == 0 && metric->bounds[3] == 1000);
	assert_int_equal(metric->sources[0].number, 0);
	assert_int_equal(metric->sources[0].labels[0].index, 1);
	profile_free(profile);
}

/* Each function calls its argument something else. */
static void reads_numbers_of_sources(void **state)
{
	struct profile *profile =
		parse_good(COUNTER("    from:\n"
				   "      - {function: a::b, value: {arg: shares.len()}}\n"
				   "      - {function: a::c, value: {arg: n}, on: [cancel]}\n"));

	(void)state;
	assert_true(profile->metrics[0].is_of_numbers);
	assert_string_equal(profile->funcs[0].values[0].path, "shares.len()");
	assert_string_equal(profile->funcs[1].values[0].path, "n");
	profile_free(profile);
}

/* A number and a label of one argument are two captured values. */
static void tells_numbers_from_labels(void **state)
{
	struct profile *profile =
		parse_good(COUNTER("    from: a::b\n    value: {arg: n}\n"
				   "    labels: {n: {arg: n, values: {1: one}}}\n"));

	(void)state;
	assert_int_equal(profile->funcs[0].n_values, 2);
	assert_int_not_equal(profile->metrics[0].sources[0].number,
			     profile->metrics[0].sources[0].labels[0].index);
	profile_free(profile);
}

/* What a function returned; the same path of an argument is another value. */
static void reads_results(void **state)
{
	struct profile *profile = parse_good(COUNTER(
		"    from: a::b\n    value: {return: Ok.len()}\n") "  y:\n    type: gauge\n    help: H\n    from: a::b\n"
								   "    value: {return: Ok.len()}\n"
								   "  z:\n    type: gauge\n    help: H\n    from: a::b\n"
								   "    value: {arg: Ok.len()}\n");

	(void)state;
	assert_int_equal(profile->funcs[0].n_values, 2);
	assert_int_equal(profile->funcs[0].values[0].kind, PROFILE_VALUE_RETURN);
	assert_true(profile->funcs[0].values[0].is_number);
	assert_string_equal(profile->funcs[0].values[0].path, "Ok.len()");
	assert_int_equal(profile->metrics[1].sources[0].number, 0);
	assert_int_equal(profile->metrics[2].sources[0].number, 1);
	profile_free(profile);
}

/* Bounds and sums are in seconds, as those of durations. */
static void reads_times(void **state)
{
	struct profile *profile =
		parse_good(HISTOGRAM("x_rtt_seconds", "    from: a::b\n    buckets: [0.001, 1]\n"
						      "    value: {arg: rtt.as_secs_f64()}\n"));
	const struct profile_metric *metric = &profile->metrics[0];

	(void)state;
	assert_true(metric->is_of_numbers);
	assert_true(metric->is_of_times);
	assert_true(profile_in_seconds(metric));
	assert_string_equal(metric->unit, "seconds");
	assert_true(metric->bounds[0] == 0.001 && metric->bounds[1] == 1);
	assert_true(profile->funcs[0].values[0].is_number);
	assert_string_equal(profile->funcs[0].values[0].path, "rtt.as_secs_f64()");
	profile_free(profile);
}

static void refuses_times(void **state)
{
#define TIME "    value: {arg: rtt.as_secs_f64()}\n"
	static const struct fault_case cases[] = {
		{ COUNTER("    from: a::b\n" TIME), 3, 3, "x_total",
		  X " is a counter and measures a time; is it a histogram?" },
		{ HISTOGRAM("x_rtt", "    from: a::b\n    buckets: [1]\n" TIME), 3, 3, "x_rtt",
		  "metric name \"x_rtt\" must end in _seconds, because it is a histogram of durations" },
		{ HISTOGRAM("x_seconds", "    from: a::b\n    buckets: [0]\n" TIME), 7, 15, "0",
		  "bucket 0 of metric \"x_seconds\" must be more than 0" },
		{ HISTOGRAM("x_seconds",
			    "    buckets: [1]\n    from:\n"
			    "      - {function: a::b, value: {arg: rtt.as_secs_f64()}}\n"
			    "      - {function: a::c, value: {arg: n}}\n"),
		  9, 26, "value",
		  "this source of metric \"x_seconds\" measures no time; all sources measure times, or none" },
		{ HISTOGRAM("x_seconds", "    buckets: [1]\n    from: libx.so.1:f\n"
					 "    value: {arg: arg0.as_secs_f64()}\n"),
		  8, 5, "value",
		  "\"value\" is an argument of a C function: it can be a label or a key, but not a number, for its type is not known" },
	};
#undef TIME

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_forms(void **state)
{
#define VALUE(text) COUNTER("    from: a::b\n    value: " text "\n")
	static const struct fault_case cases[] = {
		{ VALUE("n"), 7, 12, "n",
		  "value of " X " must be a mapping (name: value), but here is text" },
		{ VALUE("{args: n}"), 7, 13, "args",
		  "unknown key \"args\" in value of " X "; did you mean \"arg\"?" },
		{ VALUE("{arg: n, values: {1: one}}"), 7, 21, "values",
		  "unknown key \"values\" in value of " X "; it may have arg, return" },
		{ VALUE("{retrun: Ok}"), 7, 13, "retrun",
		  "unknown key \"retrun\" in value of " X "; did you mean \"return\"?" },
		{ VALUE("{arg: n, return: Ok}"), 7, 21, "return",
		  "value of " X " has both \"arg\" and \"return\"; a number has one source" },
		{ VALUE("{return: {Ok: ok}}"), 7, 21, "{Ok: ok}",
		  "return of value of " X " must be text, but here is a mapping" },
		{ VALUE("{return: Ok.length()}"), 7, 24, "length()",
		  "result \"Ok.length()\" must be variants and fields, like Ok, Ok.len() or Ok.Accepted.count, or number where the function returns one" },
		{ VALUE("{return: Ok.shared_secret}"), 7, 24, "shared_secret",
		  "result \"Ok.shared_secret\" names a secret; the agent reads no keys, shares, nonces or plaintext" },
		{ VALUE("{arg: }"), 7, 13, "arg",
		  "arg of value of " X " must be text, but here is nothing" },
		{ VALUE("{arg: vote::a}"), 7, 18, "vote::a",
		  "argument \"vote::a\" must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ VALUE("{arg: a.length()}"), 7, 20, "length()",
		  "argument \"a.length()\" must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ VALUE("{arg: self.nonces.len()}"), 7, 23, "nonces",
		  "argument \"self.nonces.len()\" names a secret; the agent reads no keys, shares, nonces or plaintext" },
		{ COUNTER("    from: a::b\n    valeu: {arg: n}\n"), 7, 5, "valeu",
		  "unknown key \"valeu\" in " X "; did you mean \"value\"?" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void wants_numbers_everywhere(void **state)
{
	static const struct fault_case cases[] = {
		{ COUNTER("    from:\n      - {function: a::b, value: {arg: n}}\n"
			  "      - a::c\n"),
		  8, 9, "a::c",
		  "this source of " X
		  " lacks the key \"value\"; all sources measure a number, or none" },
		{ COUNTER("    from:\n      - a::c\n"
			  "      - {function: a::b, value: {arg: n}}\n"),
		  8, 26, "value",
		  "\"value\" is missing in the first source of " X
		  "; all sources measure a number, or none" },
		{ COUNTER("    value: {arg: n}\n    from:\n"
			  "      - {function: a::b, value: {arg: n}}\n"),
		  8, 26, "value", "\"value\" stands in " X " and again in a source of it" },
		{ COUNTER("    value: {arg: n}\n    from: a::b\n    labels:\n"
			  "      p: {arg: p, values: {A: a}}\n      q: {arg: q, values: {A: a}}\n"
			  "      r: {arg: r, values: {A: a}}\n      s: {arg: s, values: {A: a}}\n"),
		  12, 7, "s", "label \"s\" is value number 5 captured of \"a::b\"; 4 is the most" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void names_and_buckets_of_histograms(void **state)
{
#define REST(buckets) "    buckets: " buckets "\n    from: a::b\n    value: {arg: n}\n"
#define H "metric \"x_items\""
	static const struct fault_case cases[] = {
		{ HISTOGRAM("x_total", REST("[1]")), 3, 4, "_total",
		  "metric name \"x_total\" ends like a counter, and is a histogram" },
		{ HISTOGRAM("x_items", REST("[0.5]")), 6, 15, "0.5",
		  "bucket 0.5 of " H " must be a whole number, like 100: what is observed is one" },
		{ HISTOGRAM("x_items", REST("[-1]")), 6, 15, "-1",
		  "bucket -1 of " H " must be a whole number, like 100: what is observed is one" },
		{ HISTOGRAM("x_items", REST("[1, 1]")), 6, 18, "1",
		  "bucket 1 of " H " stands twice" },
		{ HISTOGRAM("x_items", REST("[2, 1]")), 6, 18, "1",
		  "bucket 1 of " H " is less than the one before it; buckets ascend" },
		{ HISTOGRAM("x_items", REST("[1e16]")), 6, 15, "1e16",
		  "bucket 1e16 of " H
		  " is more than 2^53, from where on not all numbers are exact" },
		{ HISTOGRAM("x_items", REST("[many]")), 6, 15, "many",
		  "bucket many of " H " must be a whole number, like 100" },
		{ HISTOGRAM("x_items", "    from: a::b\n    value: {arg: n}\n"), 3, 3, "x_items",
		  H " lacks the key \"buckets\": a histogram needs their bounds" },
		{ HISTOGRAM("x_items", "    buckets: [1]\n    from: a::b\n"), 3, 3, "x_items",
		  "metric name \"x_items\" must end in _seconds, because it is a histogram of durations" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
	profile_free(parse_good(HISTOGRAM("x_bytes", REST("[9007199254740992]"))));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_numbers),
		cmocka_unit_test(reads_numbers_of_sources),
		cmocka_unit_test(tells_numbers_from_labels),
		cmocka_unit_test(reads_results),
		cmocka_unit_test(reads_times),
		cmocka_unit_test(refuses_times),
		cmocka_unit_test(refuses_forms),
		cmocka_unit_test(wants_numbers_everywhere),
		cmocka_unit_test(names_and_buckets_of_histograms),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
