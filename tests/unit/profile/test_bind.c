// SPDX-License-Identifier: BSD-2-Clause
/* Labels of several sources and metrics meeting one function. */
#include "profile/build.h"

#include "expect.h"

#define METRIC(name, from)    \
	"  " name ":\n"       \
	"    type: counter\n" \
	"    help: H\n"       \
	"    from:\n" from
#define HEAD "profile: t\nmetrics:\n"

static void shares_identical_values(void **state)
{
	struct profile *profile = parse_good(
		HEAD METRIC("mpc_a_total",
			    "      - {function: a::b, labels: {x: {return: {Ok: ok, Err: bad}}}}\n")
			METRIC("mpc_b_total",
			       "      - {function: a::b, labels: {y: {return: {Err: bad, Ok: ok}}}}\n")
				METRIC("mpc_c_total",
				       "      - {function: a::b, labels: {y: {return: {Err: bad}}}}\n"));

	(void)state;
	assert_int_equal(profile->n_funcs, 1);
	assert_int_equal(profile->funcs[0].n_values, 2);
	assert_int_equal(profile->metrics[0].sources[0].labels[0].index, 0);
	assert_int_equal(profile->metrics[1].sources[0].labels[0].index, 0);
	assert_int_equal(profile->metrics[2].sources[0].labels[0].index, 1);
	assert_string_equal(profile->metrics[1].labels[0].values[0], "bad");
	profile_free(profile);
}

/* What is skipped is part of the map, and no value of the label. */
static void skips_are_part_of_the_map(void **state)
{
	struct profile *profile = parse_good(
		HEAD METRIC("mpc_a_total",
			    "      - function: a::b\n"
			    "        labels: {x: {return: {Err: bad}, skip: [Ok]}}\n")
			METRIC("mpc_b_total",
			       "      - function: a::b\n"
			       "        labels: {x: {return: {Err: bad}, skip: [Ok]}}\n")
				METRIC("mpc_c_total",
				       "      - {function: a::b, labels: {x: {return: {Err: bad}}}}\n")
					METRIC("mpc_d_total",
					       "      - function: a::b\n"
					       "        labels: {x: {return: {Err: bad, Ok: ok}}}\n"));

	(void)state;
	assert_int_equal(profile->funcs[0].n_values, 3);
	assert_int_equal(profile->metrics[1].sources[0].labels[0].index, 0);
	assert_int_equal(profile->metrics[2].sources[0].labels[0].index, 1);
	assert_int_equal(profile->metrics[3].sources[0].labels[0].index, 2);
	assert_int_equal(profile->metrics[0].labels[0].n_values, 1);
	profile_free(profile);
}

static void unites_the_values_of_all_sources(void **state)
{
	struct profile *profile = parse_good(HEAD METRIC(
		"mpc_a_total",
		"      - {function: a::b, labels: {x: two}}\n"
		"      - {function: a::c, labels: {x: {arg: v, values: {A: one, B: two}}}}\n"
		"      - {function: a::d, labels: {x: one}}\n"));
	const struct profile_metric *metric = &profile->metrics[0];

	(void)state;
	assert_int_equal(metric->labels[0].n_values, 2);
	assert_string_equal(metric->labels[0].values[0], "two");
	assert_string_equal(metric->labels[0].values[1], "one");
	assert_true(metric->sources[0].labels[0].constant);
	assert_int_equal(metric->sources[0].labels[0].index, 0);
	assert_false(metric->sources[1].labels[0].constant);
	assert_int_equal(metric->sources[1].labels[0].index, 0);
	assert_true(metric->sources[2].labels[0].constant);
	assert_int_equal(metric->sources[2].labels[0].index, 1);
	profile_free(profile);
}

static void bounds_what_is_captured(void **state)
{
	static const struct fault_case cases[] = {
		{ HEAD METRIC(
			  "mpc_a_total",
			  "      - function: a::b\n"
			  "        labels: {p: {arg: p, values: {A: a}}, q: {arg: q, values: {A: a}},\n"
			  "                 r: {arg: r, values: {A: a}}, s: {arg: s, values: {A: a}}}\n")
			  METRIC("mpc_b_total", "      - function: a::b\n"
						"        labels:\n"
						"          five: {arg: t, values: {A: a}}\n"),
		  16, 11, "five",
		  "label \"five\" is value number 5 captured of \"a::b\"; 4 is the most" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void fits_ends(void **state)
{
#define ENDS(rest) HEAD METRIC("mpc_a_total", "      - function: a::b\n        " rest "\n")
	static const struct fault_case cases[] = {
		{ ENDS("labels: {x: {outcome: {returned: a, panicked: b}}}"), 8, 18, "x",
		  "label \"x\" names the outcome panicked, which is not counted; add \"panic\" to \"on\"" },
		{ ENDS("on: [return, cancel]\n        labels: {x: {outcome: {returned: a}}}"), 9,
		  18, "x", "label \"x\" lacks the outcome cancelled, which \"on\" counts" },
		{ ENDS("on: [panic]\n        labels: {x: {return: {Ok: a}}}"), 9, 18, "x",
		  "label \"x\" reads a result, but \"on\" counts no call that returns" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
	profile_free(parse_good(ENDS("on: [return, panic, cancel]\n        labels: {x: {outcome: "
				     "{returned: a, panicked: b, cancelled: c}}}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_identical_values),
		cmocka_unit_test(skips_are_part_of_the_map),
		cmocka_unit_test(unites_the_values_of_all_sources),
		cmocka_unit_test(bounds_what_is_captured),
		cmocka_unit_test(fits_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
