// SPDX-License-Identifier: BSD-2-Clause
/* One metric: name, type, help, buckets, and how many series it may have. */
#include "profile/build.h"

#include "expect.h"

#define HEAD "profile: t\nmetrics:\n"
#define TAIL "    help: H\n    from: a::b\n"
#define BUCKETS(list) HEAD "  x_seconds:\n    type: histogram\n    buckets: " list "\n" TAIL
#define X "metric \"x_seconds\""

static void reads_types_and_units(void **state)
{
	struct profile *profile = parse_good(BUCKETS("[0.001, .5, 1, 2.5e+2]"));
	const struct profile_metric *metric = &profile->metrics[0];

	(void)state;
	assert_int_equal(metric->type, PROFILE_HISTOGRAM);
	assert_string_equal(metric->unit, "seconds");
	assert_string_equal(metric->help, "H");
	assert_int_equal(metric->line, 3);
	assert_int_equal(metric->n_bounds, 4);
	assert_true(metric->bounds[0] == 0.001 && metric->bounds[3] == 250);
	profile_free(profile);

	profile = parse_good(HEAD "  x_bytes_total:\n    type: counter\n" TAIL
				  "  y_total:\n    type: counter\n" TAIL);
	assert_string_equal(profile->metrics[0].unit, "bytes");
	assert_string_equal(profile->metrics[1].unit, "");
	assert_string_equal(profile_metric_type_name(profile->metrics[0].type), "counter");
	assert_string_equal(profile_metric_type_name(PROFILE_HISTOGRAM), "histogram");
	profile_free(profile);
}

static void folds_long_help(void **state)
{
	struct profile *profile = parse_good(HEAD "  x_total:\n    type: counter\n    help: Two\n"
						  "      lines.\n    from: a::b\n");

	(void)state;
	assert_string_equal(profile->metrics[0].help, "Two lines.");
	profile_free(profile);
	profile = parse_good(HEAD "  x_total:\n    type: counter\n    help: >-\n      Two\n"
				  "      lines.\n    from: a::b\n");
	assert_string_equal(profile->metrics[0].help, "Two lines.");
	profile_free(profile);
}

static void refuses_keys(void **state)
{
	static const struct fault_case cases[] = {
		{ HEAD "  x_total: 1\n", 3, 12, "1",
		  "metric \"x_total\" must be a mapping (name: value), but here is text" },
		{ HEAD "  x_total:\n    help: H\n    from: a::b\n", 3, 3, "x_total",
		  "metric \"x_total\" lacks the key \"type\"" },
		{ HEAD "  x_total:\n    type: counter\n    from: a::b\n", 3, 3, "x_total",
		  "metric \"x_total\" lacks the key \"help\"" },
		{ HEAD "  x_total:\n    type: counter\n    help: H\n", 3, 3, "x_total",
		  "metric \"x_total\" lacks the key \"from\"" },
		{ HEAD
		  "  x_seconds:\n    type: histogram\n    bucket: [1]\n    buckets: [1]\n" TAIL,
		  5, 5, "bucket", "unknown key \"bucket\" in " X "; did you mean \"buckets\"?" },
		{ HEAD "  x_total:\n    type: counter\n    type: counter\n" TAIL, 5, 5, "type",
		  "\"type\" stands twice in metric \"x_total\"; first on line 4" },
		{ HEAD "  x_total:\n    type: counter\n" TAIL
		       "  x_total:\n    type: counter\n" TAIL,
		  7, 3, "x_total", "\"x_total\" stands twice in \"metrics\"; first on line 3" },
		{ HEAD "  x_total:\n    type: conter\n" TAIL, 4, 11, "conter",
		  "unknown type \"conter\" of metric \"x_total\"; did you mean \"counter\"?" },
		{ HEAD "  x_total:\n    type: summary\n" TAIL, 4, 11, "summary",
		  "unknown type \"summary\" of metric \"x_total\"; it may be counter, gauge or histogram" },
		{ HEAD "  x_total:\n    type: [counter]\n" TAIL, 4, 11, "[counter]",
		  "type of metric \"x_total\" must be text, but here is a list" },
		{ HEAD "  x_total:\n    type: counter\n    help:\n    from: a::b\n", 5, 5, "help",
		  "help of metric \"x_total\" must be text, but here is nothing" },
		{ HEAD "  x_total:\n    type: counter\n    help: \"a\\nb\"\n    from: a::b\n", 5,
		  11, "\"a\\nb\"",
		  "help of metric \"x_total\" must be one line without control characters" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_names(void **state)
{
	static const struct fault_case cases[] = {
		{ HEAD "  mpc_votes:\n    type: counter\n" TAIL, 3, 3, "mpc_votes",
		  "metric name \"mpc_votes\" must end in _total, because it is a counter" },
		{ HEAD "  mpc_dkg:\n    type: histogram\n    buckets: [1]\n" TAIL, 3, 3, "mpc_dkg",
		  "metric name \"mpc_dkg\" must end in _seconds, because it is a histogram of durations" },
		{ HEAD "  mpc-votes_total:\n    type: counter\n" TAIL, 3, 6, "-",
		  "metric name \"mpc-votes_total\" may have only letters, digits and _" },
		{ HEAD "  mpc_bpf_agent_x_total:\n    type: counter\n" TAIL, 3, 3, "mpc_bpf_agent_",
		  "metric name \"mpc_bpf_agent_x_total\" begins like the agent's own metrics" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_buckets(void **state)
{
	static const struct fault_case cases[] = {
		{ BUCKETS("[]"), 5, 14, "[]", "buckets of " X " is empty" },
		{ BUCKETS("1"), 5, 14, "1",
		  "buckets of " X " must be a list [a, b], but here is text" },
		{ BUCKETS("[1, [2]]"), 5, 18, "[2]",
		  "each of the buckets of " X " must be text, but here is a list" },
		{ BUCKETS("[2, 1]"), 5, 18, "1",
		  "bucket 1 of " X " is less than the one before it; buckets ascend" },
		{ BUCKETS("[1, 1.0]"), 5, 18, "1.0", "bucket 1.0 of " X " stands twice" },
		{ BUCKETS("[-1, 1]"), 5, 15, "-1", "bucket -1 of " X " must be more than 0" },
		{ BUCKETS("[0, 1]"), 5, 15, "0", "bucket 0 of " X " must be more than 0" },
		{ BUCKETS("[1e-10]"), 5, 15, "1e-10",
		  "bucket 1e-10 of " X " is less than a nanosecond; buckets are in seconds" },
		{ BUCKETS("[1, 1e9]"), 5, 18, "1e9",
		  "bucket 1e9 of " X " is more than a year; buckets are in seconds" },
		{ BUCKETS("[1, +Inf]"), 5, 18, "+Inf",
		  "bucket +Inf of " X " is always there; leave it out" },
		{ BUCKETS("[1, .inf]"), 5, 18, ".inf",
		  "bucket .inf of " X " is always there; leave it out" },
		{ BUCKETS("[1, nan]"), 5, 18, "nan",
		  "bucket nan of " X " must be a number of seconds, like 0.5" },
		{ BUCKETS("[1, 5s]"), 5, 18, "5s",
		  "bucket 5s of " X " must be a number of seconds, like 0.5" },
		{ BUCKETS("[0x10]"), 5, 15, "0x10",
		  "bucket 0x10 of " X " must be a number of seconds, like 0.5" },
		{ BUCKETS("[1e999]"), 5, 15, "1e999",
		  "bucket 1e999 of " X " must be a number of seconds, like 0.5" },
		{ BUCKETS("[1-2]"), 5, 15, "1-2",
		  "bucket 1-2 of " X " must be a number of seconds, like 0.5" },
		{ HEAD "  x_seconds:\n    type: histogram\n" TAIL, 3, 3, "x_seconds",
		  X " lacks the key \"buckets\": a histogram needs their bounds in seconds" },
		{ HEAD "  x_total:\n    type: counter\n    buckets: [1]\n" TAIL, 5, 5, "buckets",
		  "metric \"x_total\" is a counter and has no buckets; is it a histogram?" },
		{ BUCKETS("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32,33,34]"),
		  5, 102, "33", "bucket 33 is number 33 of " X "; 32 is the most" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void bounds_series(void **state)
{
#define SIX(raw) "{arg: " raw ", values: {A: a, B: b, C: c, D: d, E: e, F: f, G: g}}"
	static const struct fault_case cases[] = {
		{ HEAD "  x_total:\n    type: counter\n" TAIL "    labels:\n      p: " SIX(
			  "p") "\n      q: " SIX("q") "\n      r: " SIX("r") "\n      s: one\n",
		  3, 3, "x_total",
		  "metric \"x_total\" would have 1024 series (each label with \"unknown\"); 640 is the most" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
	profile_free(
		parse_good(HEAD "  x_total:\n    type: counter\n" TAIL "    labels:\n      p: " SIX(
			"p") "\n      q: " SIX("q") "\n      r: " SIX("r") "\n"));
}

static void bounds_values_of_a_label(void **state)
{
	_strbuf_ struct strbuf yaml = {};
	struct profile_faults faults;

	(void)state;
	strbuf_puts(&yaml, HEAD "  x_total:\n    type: counter\n    help: H\n    from:\n");
	for (int i = 0; i <= LABEL_VALUES_MAX; i++) {
		if (i % 16 == 0)
			strbuf_printf(&yaml,
				      "%s      - {function: a::f%d, labels: {x: {arg: v, values: {",
				      i ? "}}}}\n" : "", i / 16);
		strbuf_printf(&yaml, "%sV%d: v%d", i % 16 ? ", " : "", i, i);
	}
	strbuf_puts(&yaml, "}}}}\n");
	faults = parse_bad(yaml.text, yaml.len);
	assert_int_equal(faults.n, 1);
	assert_non_null(strstr(faults.at[0].text,
			       "label \"x\" of metric \"x_total\" has more than 100 values"));
	profile_faults_free(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_types_and_units),
		cmocka_unit_test(folds_long_help),
		cmocka_unit_test(refuses_keys),
		cmocka_unit_test(refuses_names),
		cmocka_unit_test(refuses_buckets),
		cmocka_unit_test(bounds_series),
		cmocka_unit_test(bounds_values_of_a_label),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
