// SPDX-License-Identifier: BSD-2-Clause
/* Gauges: set to a number, or counted up and down. */
#include "profile/build.h"

#include "expect.h"

#define HEAD "profile: t\nmetrics:\n"
#define GAUGE(rest) HEAD "  x:\n    type: gauge\n    help: H\n" rest
#define X "metric \"x\""
#define SET "    from: a::b\n    value: {arg: n}\n"
#define BOTH "    up: a::b\n    down: [a::c]\n"

static void reads_what_is_set(void **state)
{
	struct profile *profile = parse_good(
		HEAD
		"  pool_bytes:\n    type: gauge\n    help: H\n    from:\n"
		"      - {function: a::b, value: {arg: pool.len()}, labels: {p: frost}}\n"
		"      - {function: a::c, value: {arg: n}, labels: {p: cggmp24}, optional: true,"
		" on: [return, cancel]}\n");
	const struct profile_metric *metric = &profile->metrics[0];

	(void)state;
	assert_int_equal(metric->type, PROFILE_GAUGE);
	assert_true(metric->is_of_numbers);
	assert_false(profile_is_balance(metric));
	assert_int_equal(metric->stale_after, 300);
	assert_string_equal(metric->unit, "bytes");
	assert_string_equal(profile_metric_type_name(metric->type), "gauge");
	assert_int_equal(metric->n_sources, 2);
	assert_int_equal(metric->labels[0].n_values, 2);
	assert_true(profile->funcs[0].required);
	assert_false(profile->funcs[1].required);
	assert_int_equal(metric->sources[1].on, PROFILE_END_RETURN | PROFILE_END_CANCEL);
	assert_string_equal(profile->funcs[0].values[0].path, "pool.len()");
	profile_free(profile);
}

static void reads_what_is_counted(void **state)
{
	struct profile *profile = parse_good(GAUGE(
		"    up: [a::accepted, {function: a::dialed, optional: true}]\n    down: a::lost\n"
		"    labels: {kind: {arg: k, values: {true: in, false: out}}}\n"));
	const struct profile_metric *metric = &profile->metrics[0];

	(void)state;
	assert_true(profile_is_balance(metric));
	assert_int_equal(metric->stale_after, 0);
	assert_int_equal(metric->n_sources, 3);
	assert_false(metric->sources[0].down);
	assert_false(metric->sources[1].down);
	assert_true(metric->sources[2].down);
	assert_string_equal(profile->funcs[metric->sources[2].func].name, "a::lost");
	assert_int_equal(profile->funcs[2].n_values, 1);
	profile_free(profile);
}

static void reads_when_it_is_stale(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
	} times[] = { { "1s", 1 },         { "90s", 90 },        { "5m", 300 }, { "2h", 7200 },
		      { "7d", 7 * 86400 }, { "365d", 31536000 }, { "never", 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		_free_ char *yaml = mem_printf(GAUGE(SET "    stale: %s\n"), times[i].text);
		struct profile *profile = parse_good(yaml);

		assert_int_equal(profile->metrics[0].stale_after, times[i].seconds);
		profile_free(profile);
	}
}

static void refuses_times(void **state)
{
#define STALE(text) GAUGE(SET "    stale: " text "\n")
	static const struct fault_case cases[] = {
		{ STALE("nevr"), 8, 12, "nevr", "unknown time \"nevr\"; did you mean \"never\"?" },
		{ STALE("soon"), 8, 12, "soon",
		  "time \"soon\" must be a time like 30s, 5m, 2h or 7d, or never" },
		{ STALE("5"), 8, 12, "5", "time \"5\" lacks its unit: s, m, h or d" },
		{ STALE("5min"), 8, 13, "min",
		  "time \"5min\" has an unknown unit; there are s, m, h and d" },
		{ STALE("1.5h"), 8, 13, ".5h",
		  "time \"1.5h\" has an unknown unit; there are s, m, h and d" },
		{ STALE("0s"), 8, 12, "0s", "time \"0s\" must be more than 0" },
		{ STALE("366d"), 8, 12, "366d", "time \"366d\" is more than a year" },
		{ STALE("99999999999999999999999d"), 8, 12, "99999999999999999999999d",
		  "time \"99999999999999999999999d\" is more than a year" },
		{ STALE("[5m]"), 8, 12, "[5m]",
		  "\"stale\" of " X " must be text, but here is a list" },
		{ GAUGE(SET "    stael: 5m\n"), 8, 5, "stael",
		  "unknown key \"stael\" in " X "; did you mean \"stale\"?" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_half_gauges(void **state)
{
	static const struct fault_case cases[] = {
		{ GAUGE(""), 3, 3, "x",
		  X " lacks the key \"from\", which sets it, or \"up\" and \"down\", which count" },
		{ GAUGE("    from: a::b\n"), 3, 3, "x",
		  X " lacks the key \"value\": the number that the gauge is set to" },
		{ GAUGE("    up: a::b\n"), 3, 3, "x",
		  X " lacks the key \"down\": without it the gauge only grows; is it a counter?" },
		{ GAUGE("    down: a::b\n"), 3, 3, "x",
		  X " lacks the key \"up\": the functions whose calls count up" },
		{ GAUGE("    up: a::b\n    dwon: a::c\n"), 7, 5, "dwon",
		  "unknown key \"dwon\" in " X "; did you mean \"down\"?" },
		{ GAUGE(SET "    buckets: [1]\n"), 8, 5, "buckets",
		  X " is a gauge and has no buckets; is it a histogram?" },
		{ HEAD "  x_total:\n    type: gauge\n    help: H\n" SET, 3, 4, "_total",
		  "metric name \"x_total\" ends like a counter, and is a gauge" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_mixtures(void **state)
{
	static const struct fault_case cases[] = {
		{ GAUGE(SET "    up: a::c\n"), 8, 5, "up",
		  X " cannot have \"up\" beside \"from\": a gauge is either set or counted" },
		{ GAUGE(BOTH "    value: {arg: n}\n"), 8, 5, "value",
		  X " cannot have \"value\": \"up\" and \"down\" count calls" },
		{ GAUGE("    up: [{function: a::b, value: {arg: n}}]\n    down: a::c\n"), 6, 27,
		  "value", "\"value\" cannot stand in \"up\" and \"down\": they count calls" },
		{ GAUGE(BOTH "    stale: 5m\n"), 8, 5, "stale",
		  X
		  " cannot have \"stale\": what is counted up and down stays right without news" },
		{ GAUGE("    up: a::b\n    down: [a::c, a::b]\n"), 7, 18, "a::b",
		  "\"a::b\" feeds " X " twice: its calls would be counted twice" },
		{ GAUGE("    up: [{function: a::b, labels: {k: one}}]\n    down: a::c\n"), 7, 11,
		  "a::c",
		  "this source of " X " lacks the label \"k\"; all sources give the same labels" },
		{ GAUGE("    up: {function: a::b}\n    down: a::c\n"), 6, 9, "{function: a::b}",
		  "\"up\" of " X
		  " must be a function or a list; put \"- \" in front of this source" },
		{ HEAD
		  "  x_total:\n    type: counter\n    help: H\n    from: a::b\n    stale: 5m\n",
		  7, 5, "stale",
		  "metric \"x_total\" cannot have \"stale\": only a gauge goes stale" },
		{ HEAD "  x_total:\n    type: counter\n    help: H\n    up: a::b\n", 6, 5, "up",
		  "metric \"x_total\" cannot have \"up\": only a gauge counts up and down" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_set),      cmocka_unit_test(reads_what_is_counted),
		cmocka_unit_test(reads_when_it_is_stale), cmocka_unit_test(refuses_times),
		cmocka_unit_test(refuses_half_gauges),    cmocka_unit_test(refuses_mixtures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
