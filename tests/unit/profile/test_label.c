// SPDX-License-Identifier: BSD-2-Clause
/* Labels as they are written. */
#include "profile/build.h"

#include "expect.h"

/* One metric with one label, on line 7 from column 7 on. */
#define LABEL(text)           \
	"profile: t\n"        \
	"metrics:\n"          \
	"  mpc_a_total:\n"    \
	"    type: counter\n" \
	"    help: H\n"       \
	"    labels:\n"       \
	"      " text "\n"    \
	"    from: a::b\n"
#define OF " of label \"x\" of metric \"mpc_a_total\""

static void reads_constants(void **state)
{
	struct profile *profile = parse_good(LABEL("x: \"two words\""));

	(void)state;
	assert_int_equal(profile->metrics[0].n_labels, 1);
	assert_string_equal(profile->metrics[0].labels[0].name, "x");
	assert_int_equal(profile->metrics[0].labels[0].n_values, 1);
	assert_string_equal(profile->metrics[0].labels[0].values[0], "two words");
	assert_true(profile->metrics[0].sources[0].labels[0].constant);
	assert_int_equal(profile->funcs[0].n_values, 0);
	profile_free(profile);
}

static void reads_arguments(void **state)
{
	struct profile *profile =
		parse_good(LABEL("x: {arg: v.kind, values: {A: one, B: two, C: one}}"));
	const struct profile_label *label = &profile->metrics[0].labels[0];
	const struct profile_value *value = &profile->funcs[0].values[0];

	(void)state;
	assert_int_equal(label->n_values, 2); /* A and C say the same */
	assert_string_equal(label->values[0], "one");
	assert_string_equal(label->values[1], "two");
	assert_int_equal(value->kind, PROFILE_VALUE_ARG);
	assert_string_equal(value->path, "v.kind");
	assert_int_equal(value->line, 7);
	assert_int_equal(value->n_choices, 3);
	assert_string_equal(value->choices[2].raw, "C");
	assert_string_equal(value->choices[2].label, "one");
	profile_free(profile);
}

static void reads_results_and_outcomes(void **state)
{
	struct profile *profile = parse_good(LABEL("x: {return: {Ok.A: a, Ok.B: b, Err: e}}"));

	(void)state;
	assert_int_equal(profile->funcs[0].values[0].kind, PROFILE_VALUE_RETURN);
	assert_string_equal(profile->funcs[0].values[0].path, "");
	assert_string_equal(profile->funcs[0].values[0].choices[1].raw, "Ok.B");
	profile_free(profile);
	profile = parse_good(LABEL("x: {outcome: {returned: done}}"));
	assert_int_equal(profile->funcs[0].values[0].kind, PROFILE_VALUE_OUTCOME);
	profile_free(profile);
}

static void reads_what_is_skipped(void **state)
{
	struct profile *profile =
		parse_good(LABEL("x: {return: {Err.A: a, Err.B: b}, skip: [Ok, Err.C]}"));
	const struct profile_value *value = &profile->funcs[0].values[0];

	(void)state;
	assert_int_equal(profile->metrics[0].labels[0].n_values, 2);
	assert_int_equal(value->n_choices, 4);
	assert_string_equal(value->choices[1].label, "b");
	assert_string_equal(value->choices[2].raw, "Ok");
	assert_null(value->choices[2].label);
	assert_string_equal(value->choices[3].raw, "Err.C");
	profile_free(profile);
	profile = parse_good(LABEL("x: {arg: n, values: {1: one}, skip: [0]}"));
	assert_int_equal(profile->funcs[0].values[0].n_choices, 2);
	profile_free(profile);
}

/* One metric that leaves calls out, on line 6 from column 11 on. */
#define SKIPS(text, source)    \
	"profile: t\n"         \
	"metrics:\n"           \
	"  mpc_a_total:\n"     \
	"    type: counter\n"  \
	"    help: H\n"        \
	"    skip: " text "\n" \
	"    from: " source "\n"

static void reads_what_a_metric_skips(void **state)
{
	struct profile *profile = parse_good(SKIPS("{return: [Ok, Err.A]}", "[a::b, a::c]"));
	const struct profile_value *value = &profile->funcs[1].values[0];

	(void)state;
	assert_true(profile->metrics[0].skips);
	assert_int_equal(profile->metrics[0].n_labels, 0);
	assert_int_equal(profile->metrics[0].sources[1].skip, 0);
	assert_int_equal(value->kind, PROFILE_VALUE_RETURN);
	assert_int_equal(value->n_choices, 2);
	assert_string_equal(value->choices[1].raw, "Err.A");
	assert_null(value->choices[0].label);
	assert_null(value->choices[1].label);
	profile_free(profile);
	profile = parse_good(SKIPS("{arg: v.dry, values: [true]}",
				   "[{function: a::b, labels: {x: {return: {Ok: a}}}}]"));
	assert_int_equal(profile->metrics[0].n_labels, 1);
	assert_int_equal(profile->metrics[0].sources[0].skip, 1);
	assert_int_equal(profile->funcs[0].values[1].kind, PROFILE_VALUE_ARG);
	assert_string_equal(profile->funcs[0].values[1].path, "v.dry");
	profile_free(profile);
}

static void refuses_what_a_metric_skips(void **state)
{
	static const char either[] =
		"\"skip\" of metric \"mpc_a_total\" is {arg: PATH, values: [...]} or "
		"{return: [...]}: which values of what";
	static const struct fault_case cases[] = {
		{ SKIPS("{arg: v}", "a::b"), 6, 5, "skip", either },
		{ SKIPS("{return: [Ok], values: [1]}", "a::b"), 6, 5, "skip", either },
		{ SKIPS("{return: [Ok], arg: v, values: [1]}", "a::b"), 6, 5, "skip", either },
		{ SKIPS("{return: Ok}", "a::b"), 6, 20, "Ok",
		  "\"skip\" of metric \"mpc_a_total\" must be a list [a, b], but here is text" },
		{ SKIPS("{return: [Ok, Ok]}", "a::b"), 6, 25, "Ok",
		  "metric \"mpc_a_total\" skips \"Ok\" twice" },
		{ SKIPS("{return: [Err, Err.A]}", "a::b"), 6, 21, "Err",
		  "metric \"mpc_a_total\" names \"Err\" and also \"Err.A\" below it; name all "
		  "variants below it instead" },
		{ SKIPS("{arg: self.secret_share, values: [1]}", "a::b"), 6, 22, "secret_share",
		  "argument \"self.secret_share\" names a secret; the agent reads no keys, shares, "
		  "nonces or plaintext" },
		{ SKIPS("{return: [Ok]}", "[{function: a::b, labels: {a: a, b: b, c: c, d: d}}]"),
		  7, 56, "d", "metric \"mpc_a_total\" has more than 3 labels beside \"skip\"" },
		{ SKIPS("{return: [Ok]}", "[{function: a::b, on: [panic]}]"), 6, 5, "skip",
		  "\"skip\" reads a result, but \"on\" counts no call that returns" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_skips(void **state)
{
	static const struct fault_case cases[] = {
		{ LABEL("x: {return: {Err: e}, skip: Ok}"), 7, 35, "Ok",
		  "\"skip\" of return" OF " must be a list [a, b], but here is text" },
		{ LABEL("x: {return: {Err: e}, skip: [Ok, Err]}"), 7, 40, "Err",
		  "return" OF " skips \"Err\" and also gives it a value" },
		{ LABEL("x: {return: {Err: e}, skip: [Ok, Ok]}"), 7, 40, "Ok",
		  "return" OF " skips \"Ok\" twice" },
		{ LABEL("x: {return: {Err.A: e}, skip: [Err]}"), 7, 38, "Err",
		  "return" OF
		  " names \"Err\" and also \"Err.A\" below it; name all variants below it instead" },
		{ LABEL("x: {arg: v, values: {A: a}, skip: [1]}"), 7, 42, "1",
		  "values" OF " mixes variants with numbers" },
		{ LABEL("x: {return: {Err: e}, skip: [O-k]}"), 7, 36, "O-k",
		  "value \"O-k\" must be true, false, a number or a variant like Pending or Ok.Accepted" },
		{ LABEL("x: {outcome: {returned: a}, skip: [panicked]}"), 7, 35, "skip",
		  "outcome" OF " needs no \"skip\": \"on\" says which ends count" },
		{ LABEL("x: {return: {Err: e}, skp: [Ok]}"), 7, 29, "skp",
		  "unknown key \"skp\" in label \"x\" of metric \"mpc_a_total\"; did you mean \"skip\"?" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_names_and_values(void **state)
{
	static const struct fault_case cases[] = {
		{ LABEL("le: a"), 7, 7, "le",
		  "label name \"le\" is reserved: histograms use it for their buckets" },
		{ LABEL("node_id: a"), 7, 7, "node_id",
		  "label name \"node_id\" is reserved: the agent adds it to every metric (see node_id of the profile)" },
		{ LABEL("a-b: a"), 7, 8, "-",
		  "label name \"a-b\" may have only letters, digits and _" },
		{ LABEL("x: total"), 7, 10, "total",
		  "label value \"total\" is reserved: a query makes sums, not a label" },
		{ LABEL("x: {return: {Ok: unknown}}"), 7, 24, "unknown",
		  "label value \"unknown\" is reserved: the agent says it where a value could not be read" },
		{ LABEL("x: ''"), 7, 10, "''",
		  "a value" OF " must be text, but here is empty text" },
		{ LABEL("x:"), 7, 7, "x", "a value" OF " must be text, but here is nothing" },
		{ LABEL("x: [a]"), 7, 10, "[a]",
		  "label \"x\" of metric \"mpc_a_total\" must be a mapping (name: value), but here is a list" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_sources(void **state)
{
	static const struct fault_case cases[] = {
		{ LABEL("x: {args: v, values: {A: a}}"), 7, 11, "args",
		  "unknown key \"args\" in label \"x\" of metric \"mpc_a_total\"; did you mean \"arg\"?" },
		{ LABEL("x: {arg: v, return: {Ok: a}, values: {A: a}}"), 7, 19, "return",
		  "label \"x\" of metric \"mpc_a_total\" has both \"arg\" and \"return\"; a label has one source" },
		{ LABEL("x: {return: {Ok: a}, values: {A: a}}"), 7, 28, "values",
		  "\"values\"" OF " goes with \"arg\"; \"return\" has its map directly" },
		{ LABEL("x: {values: {A: a}}"), 7, 7, "x",
		  "label \"x\" of metric \"mpc_a_total\" has no source: arg (with values), return or outcome" },
		{ LABEL("x: {arg: v}"), 7, 11, "arg",
		  "label \"x\" of metric \"mpc_a_total\" lacks the key \"values\", a map of what the argument is to what the label says" },
		{ LABEL("x: {arg: v.k, values: [A, B]}"), 7, 29, "[A, B]",
		  "values" OF " must be a mapping (name: value), but here is a list" },
		{ LABEL("x: {arg: {a: b}, values: {A: a}}"), 7, 16, "{a: b}",
		  "arg" OF " must be text, but here is a mapping" },
		{ LABEL("x: {arg: self.signing_share.0, values: {A: a}}"), 7, 21, "signing_share",
		  "argument \"self.signing_share.0\" names a secret; the agent reads no keys, shares, nonces or plaintext" },
		{ LABEL("x: {arg: vote::a, values: {A: a}}"), 7, 16, "vote::a",
		  "argument \"vote::a\" must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ LABEL("x: {outcome: {returned: a, canceled: b}}"), 7, 34, "canceled",
		  "unknown outcome \"canceled\" in outcome" OF "; did you mean \"cancelled\"?" },
		{ LABEL("x: {outcome: {returned: a, zzzzz: b}}"), 7, 34, "zzzzz",
		  "unknown outcome \"zzzzz\" in outcome" OF
		  "; a call has returned, panicked or been cancelled" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_maps(void **state)
{
	static const struct fault_case cases[] = {
		{ LABEL("x: {return: {}}"), 7, 19, "{}", "return" OF " is empty" },
		{ LABEL("x: {return: {Ok: a, Ok: b}}"), 7, 27, "Ok",
		  "\"Ok\" stands twice in return" OF "; first on line 7" },
		{ LABEL("x: {return: {Ok::A: a}}"), 7, 20, "Ok::A",
		  "value \"Ok::A\" must be true, false, a number or a variant like Pending or Ok.Accepted" },
		{ LABEL("x: {return: {Ok: [a]}}"), 7, 24, "[a]",
		  "a value of return" OF " must be text, but here is a list" },
		{ LABEL("x: {return: {true: a, 1: b}}"), 7, 29, "1",
		  "return" OF " mixes booleans with numbers" },
		{ LABEL("x: {return: {Ok: a, false: b}}"), 7, 27, "false",
		  "return" OF " mixes variants with booleans" },
		{ LABEL("x: {return: {Ok: a, Ok.A: b}}"), 7, 20, "Ok",
		  "return" OF
		  " names \"Ok\" and also \"Ok.A\" below it; name all variants below it instead" },
		{ LABEL("x: {return: {A.a: a, B.b: b, C.c: c}}"), 7, 36, "C.c",
		  "return" OF
		  " looks into more than 3 enums; the values of one are as many as it can tell" },
		{ LABEL("x: {return: {A: a, B: a, C: a, D: a, E: a, F: a, G: a, H: a, I: a, J: a, "
			"K: a, L: a, M: a, N: a, O: a, P: a, Q: a}}"),
		  7, 7, "x",
		  "\"x\" has more than 16 values, which is done with functions of shared libraries only" },
		{ LABEL("x: {arg: n, values: {1.5: a}}"), 7, 11, "arg",
		  "values" OF
		  " has \"1.5\", a pair of numbers: those are of two arguments, in a list" },
		{ LABEL("x: {return: {1.5: a}}"), 7, 11, "return",
		  "return" OF
		  " has \"1.5\", a pair of numbers: those are of two arguments, in a list" },
		{ LABEL("x: {arg: [n, m], values: {1.5: a, 2: b}}"), 7, 11, "arg",
		  "values" OF
		  " has \"2\", which is no pair of numbers, and its arguments are two" },
		{ LABEL("x: {arg: [n, m], values: {A.B: a}}"), 7, 11, "arg",
		  "values" OF
		  " has \"A.B\", which is no pair of numbers, and its arguments are two" },
		{ LABEL("x: {arg: [n], values: {1.5: a}}"), 7, 16, "[n]",
		  "arg" OF " is one argument, or a list of two" },
		{ LABEL("x: {arg: [n, a::b], values: {1.5: a}}"), 7, 20, "a::b",
		  "argument \"a::b\" must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ LABEL("x: {arg: [n, m], values: {1.5: a}}"), 7, 7, "x",
		  "\"x\" is of two arguments, which is done with functions of shared libraries only" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void takes_as_much_as_there_may_be(void **state)
{
	(void)state;
	profile_free(
		parse_good(LABEL("x: {return: {A: a, B: a, C: a, D: a, E: a, F: a, G: a, H: a, "
				 "I: a, J: a, K: a, L: a, M: a, N: a, O: a, P: a}}")));
	profile_free(parse_good(LABEL("x: {return: {A.a.x: a, A.a.y: b, A.b: c, C: d}}")));
	profile_free(parse_good(LABEL("x: {return: {Ok.a: a, Okay: b, Okey: c}}")));
	profile_free(parse_good(LABEL("x: {arg: n, values: {-1: a, 0: b, 1: c}}")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_constants),
		cmocka_unit_test(reads_arguments),
		cmocka_unit_test(reads_results_and_outcomes),
		cmocka_unit_test(reads_what_is_skipped),
		cmocka_unit_test(refuses_skips),
		cmocka_unit_test(reads_what_a_metric_skips),
		cmocka_unit_test(refuses_what_a_metric_skips),
		cmocka_unit_test(refuses_names_and_values),
		cmocka_unit_test(refuses_sources),
		cmocka_unit_test(refuses_maps),
		cmocka_unit_test(takes_as_much_as_there_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
