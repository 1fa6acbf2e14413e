// SPDX-License-Identifier: BSD-2-Clause
/* Spans between functions that have a key in common. */
#include "profile/build.h"

#include "expect.h"

#define HEAD \
	"profile: t\nmetrics:\n  x_seconds:\n    type: histogram\n    help: H\n    buckets: [1]\n"
#define X "metric \"x_seconds\""
#define SPAN(rest) HEAD "    span:\n" rest
#define FROM "      from: {function: a::b, key: v.id}\n"
#define TO "      to: {function: a::c, key: id}\n"

static void reads_a_span(void **state)
{
	struct profile *profile = parse_good(SPAN(FROM TO));
	const struct profile_metric *metric = &profile->metrics[0];
	const struct profile_source *from = &metric->sources[0], *to = &metric->sources[1];

	(void)state;
	assert_true(metric->is_of_spans);
	assert_false(metric->is_of_numbers);
	assert_string_equal(metric->unit, "seconds");
	assert_int_equal(metric->within, 600);
	assert_int_equal(metric->late, 60);
	assert_int_equal(metric->n_sources, 2);
	assert_true(from->begins);
	assert_true(from->at_start);
	assert_false(to->begins);
	assert_false(to->at_start);
	assert_int_equal(to->on, PROFILE_END_RETURN);
	assert_true(profile->funcs[from->func].required);
	assert_true(profile->funcs[from->func].values[from->key].is_key);
	assert_string_equal(profile->funcs[from->func].values[from->key].path, "v.id");
	assert_string_equal(profile->funcs[to->func].values[to->key].path, "id");
	profile_free(profile);
}

static void reads_all_of_it(void **state)
{
	struct profile *profile = parse_good(SPAN(
		"      from:\n        - {function: a::b, key: id, at: end, on: [return, panic]}\n"
		"        - {function: a::d, key: id, on: [panic], optional: true}\n"
		"      to:\n        - {function: a::c, key: id, at: start, labels: {result: reached}}\n"
		"        - {function: a::e, key: id, labels: {result: {return: {Ok: reached, Err: failed}}}}\n"
		"      within: 1h\n      late: 5m\n    labels: {kind: {arg: k, values: {1: a}}}\n"));
	const struct profile_metric *metric = &profile->metrics[0];
	const struct profile_source *s = metric->sources;

	(void)state;
	assert_int_equal(metric->within, 3600);
	assert_int_equal(metric->late, 300);
	assert_int_equal(metric->n_sources, 4);
	assert_false(s[0].at_start);
	assert_int_equal(s[0].on, PROFILE_END_RETURN | PROFILE_END_PANIC);
	assert_false(s[1].at_start); /* "on" says an end */
	assert_int_equal(s[1].on, PROFILE_END_PANIC);
	assert_false(profile->funcs[s[1].func].required);
	assert_true(s[2].at_start);
	assert_int_equal(metric->n_labels, 2);
	assert_int_equal(metric->labels[1].n_values, 2);
	assert_true(s[2].labels[1].constant);
	assert_false(s[3].labels[1].constant);
	assert_int_equal(profile->funcs[s[0].func].n_values, 1); /* no labels where it begins */
	assert_int_equal(profile->funcs[s[3].func].n_values, 3);
	profile_free(profile);
}

/* Two metrics that ask for the same key share it; a number is another value. */
static void shares_keys(void **state)
{
	struct profile *profile = parse_good(SPAN(
		FROM TO) "  y_seconds:\n    type: histogram\n    help: H\n    buckets: [1]\n    span:\n" FROM
			 "      to: {function: a::d, key: id}\n"
			 "  z_total:\n    type: counter\n    help: H\n    from: a::b\n    value: {arg: v.id}\n");

	(void)state;
	assert_int_equal(profile->funcs[0].n_values, 2);
	assert_true(profile->funcs[0].values[1].is_number);
	assert_false(profile->funcs[0].values[1].is_key);
	profile_free(profile);
}

/* Objects that are known by where they lie. */
static void reads_addresses(void **state)
{
	struct profile *profile =
		parse_good(SPAN("      from: {function: a::b, key: self.address(), anew: true}\n"
				"      to: {function: a::c, key: cx.common.address()}\n"));
	const struct profile_source *s = profile->metrics[0].sources;

	(void)state;
	assert_true(s[0].anew);
	assert_false(s[0].gone);
	assert_false(s[1].anew);
	assert_string_equal(profile->funcs[s[0].func].values[s[0].key].path, "self.address()");
	profile_free(profile);
}

static void refuses_half_spans(void **state)
{
	static const struct fault_case cases[] = {
		{ SPAN(FROM), 7, 5, "span", "the span of " X " lacks the key \"to\"" },
		{ SPAN(TO), 7, 5, "span", "the span of " X " lacks the key \"from\"" },
		{ SPAN("      from: a::b\n" TO), 8, 13, "a::b",
		  "\"from\" of the span of " X
		  " must be a mapping with \"function\" and \"key\", or a list of such" },
		{ SPAN("      from: {function: a::b}\n" TO), 8, 7, "from",
		  "a source of \"from\" of " X " lacks the key \"key\"" },
		{ SPAN(FROM "      to: {key: id}\n"), 9, 7, "to",
		  "a source of \"to\" of " X " lacks the key \"function\"" },
		{ SPAN(FROM TO "      witin: 5m\n"), 10, 7, "witin",
		  "unknown key \"witin\" in the span of " X "; did you mean \"within\"?" },
		{ SPAN(FROM TO "      within: never\n"), 10, 15, "never",
		  "\"within\" of the span of " X " cannot be never: room for keys is limited" },
		{ SPAN(FROM TO "      late: 5\n"), 10, 13, "5",
		  "time \"5\" lacks its unit: s, m, h or d" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_keys(void **state)
{
#define KEY(text) SPAN("      from: {function: a::b, key: " text "}\n" TO)
	static const struct fault_case cases[] = {
		{ KEY("share.secret"), 8, 41, "secret",
		  "key \"share.secret\" names a secret; the agent reads no keys, shares, nonces or plaintext" },
		{ KEY("self.nonce"), 8, 40, "nonce",
		  "key \"self.nonce\" names a secret; the agent reads no keys, shares, nonces or plaintext" },
		{ KEY("votes.len()"), 8, 35, "votes.len()",
		  "key \"votes.len()\" is a length; name the id that calls have in common" },
		{ KEY("self.address().x"), 8, 40, "address()",
		  "key \"self.address().x\" must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ KEY("my_secret.address()"), 8, 35, "my_secret",
		  "key \"my_secret.address()\" names a secret; the agent reads no keys, shares, nonces or plaintext" },
		{ KEY("a..b"), 8, 37, ".",
		  "key \"a..b\" has a dot with nothing at one side of it" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_moments(void **state)
{
	static const struct fault_case cases[] = {
		{ SPAN(FROM "      to: {function: a::c, key: id, at: strt}\n"), 9, 41, "strt",
		  "unknown moment \"strt\"; did you mean \"start\"?" },
		{ SPAN(FROM "      to: {function: a::c, key: id, at: 5}\n"), 9, 41, "5",
		  "unknown moment \"5\"; \"at\" is start or end" },
		{ SPAN(FROM "      to: {function: a::c, key: id, at: start, on: [panic]}\n"), 9, 48,
		  "on",
		  "\"on\" names ends of calls, and a source of \"to\" of " X
		  " counts at their start" },
		{ SPAN(FROM "      to: {function: a::c, key: id, anew: true}\n"), 9, 37, "anew",
		  "\"anew\" stands in \"from\" of a span: what ends it is in \"to\"" },
		{ SPAN("      from: {function: a::b, key: id, anew: 1}\n" TO), 8, 45, "1",
		  "\"anew\" must be true or false" },
		{ SPAN("      from: {function: a::b, key: id, labels: {a: b}}\n" TO), 8, 39,
		  "labels",
		  "\"labels\" cannot stand in \"from\" of a span: what ends it gives its labels" },
		{ SPAN(FROM
		       "      to: {function: a::c, key: id, at: start, labels: {r: {return: {Ok: a}}}}\n"),
		  9, 57, "r",
		  "label \"r\" tells how a call ended, and a source of \"to\" of " X
		  " counts at the start of calls; leave out \"at: start\"" },
		{ SPAN(FROM "      to: {function: a::b, key: id}\n"), 9, 22, "a::b",
		  "\"a::b\" both begins and ends the span of " X
		  "; its calls alone are measured with \"from\" and no \"span\"" },
		{ SPAN(FROM "      to: [{function: a::c, key: id}, {function: a::c, key: k}]\n"), 9,
		  50, "a::c", "\"a::c\" feeds " X " twice: its calls would be counted twice" },
		{ SPAN("      from: [{function: a::b, key: id}, {function: a::b, key: k}]\n" TO), 8,
		  52, "a::b", "\"a::b\" feeds " X " twice: its calls would be counted twice" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_mixtures(void **state)
{
	static const struct fault_case cases[] = {
		{ SPAN(FROM TO) "    from: a::d\n", 10, 5, "from",
		  X " cannot have \"from\" beside \"span\", which has its own" },
		{ SPAN(FROM TO) "    up: a::d\n", 10, 5, "up",
		  X " cannot have \"up\" beside \"span\"" },
		{ SPAN(FROM TO) "    value: {arg: n}\n", 10, 5, "value",
		  X " cannot have \"value\" beside \"span\": it measures time" },
		{ SPAN(FROM TO) "    stale: 5m\n", 10, 5, "stale",
		  X " cannot have \"stale\": only a gauge goes stale" },
		{ "profile: t\nmetrics:\n  x_total:\n    type: counter\n    help: H\n    span:\n" FROM
			  TO,
		  6, 5, "span",
		  "metric \"x_total\" cannot have \"span\": only a histogram measures the time between two functions" },
		{ "profile: t\nmetrics:\n  x:\n    type: histogram\n    help: H\n    buckets: [1]\n    span:\n" FROM
			  TO,
		  3, 3, "x",
		  "metric name \"x\" must end in _seconds, because it is a histogram of durations" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_a_span),       cmocka_unit_test(reads_all_of_it),
		cmocka_unit_test(shares_keys),        cmocka_unit_test(reads_addresses),
		cmocka_unit_test(refuses_half_spans), cmocka_unit_test(refuses_keys),
		cmocka_unit_test(refuses_moments),    cmocka_unit_test(refuses_mixtures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
