// SPDX-License-Identifier: BSD-2-Clause
/* Several profiles that are used together. */
#include "expect.h"

#define HEAD(name) "profile: " name "\nmetrics:\n"

static struct profile *parse_named(const char *origin, const char *yaml)
{
	struct profile_faults faults = {};
	struct profile *profile = NULL;

	if (profile_parse(origin, yaml, strlen(yaml), &profile, &faults) < 0)
		fail_msg("unexpected: %s", faults.at[0].text);
	return profile;
}

/* Merges texts that are called 0.yaml, 1.yaml and so on. */
static int merge(const char *const *texts, size_t n, struct profile **out, struct err *err)
{
	_free_ struct profile **parts = mem_array(n, sizeof(*parts));
	int r;

	for (size_t i = 0; i < n; i++) {
		_free_ char *origin = mem_printf("%zu.yaml", i);

		parts[i] = parse_named(origin, texts[i]);
	}
	r = profile_merge(parts, n, out, err);
	for (size_t i = 0; i < n; i++)
		profile_free(parts[i]);
	return r;
}

static struct profile *merge_good(const char *const *texts, size_t n)
{
	struct profile *profile = NULL;
	struct err err = {};

	if (merge(texts, n, &profile, &err) < 0)
		fail_msg("unexpected: %s", err.text);
	return profile;
}

static void expect_refusal(const char *first, const char *second, const char *sentence)
{
	const char *texts[] = { first, second };
	struct profile *profile = NULL;
	struct err err = {};

	assert_true(merge(texts, 2, &profile, &err) < 0);
	assert_null(profile);
	assert_string_equal(err.text, sentence);
}

#define A_TOTAL                                                                                \
	"  a_total:\n    type: counter\n    help: H\n    from: x::shared\n"                    \
	"    labels: {kind: {arg: v.kind, values: {A: a, B: b}}, ok: {return: {Ok: yes, Err: " \
	"no}}}\n"
#define B_TOTAL                                                                                   \
	"  b_total:\n    type: counter\n    help: H\n"                                            \
	"    from: [{function: y::own, optional: true}, {function: x::shared, optional: true}]\n" \
	"    labels: {result: {return: {Err: no, Ok: yes}}, where: {arg: v.at, values: {1: one}}}\n"

static void shares_functions_and_values(void **state)
{
	const char *texts[] = { HEAD("a") A_TOTAL, HEAD("b") B_TOTAL };
	_cleanup_(profile_freep) struct profile *profile = merge_good(texts, 2);
	const struct profile_func *shared = &profile->funcs[0], *own = &profile->funcs[1];
	const struct profile_metric *b = &profile->metrics[1];

	(void)state;
	assert_string_equal(profile->name, "a, b");
	assert_string_equal(profile->origin, "0.yaml, 1.yaml");
	assert_int_equal(profile->n_parts, 2);
	assert_int_equal(profile->n_funcs, 2);
	assert_string_equal(shared->name, "x::shared");
	assert_true(shared->required);
	assert_int_equal(shared->parts, 3);
	assert_int_equal(shared->n_values, 3);
	assert_string_equal(own->name, "y::own");
	assert_false(own->required);
	assert_int_equal(own->parts, 2);
	assert_int_equal(own->part, 1);
	assert_int_equal(profile->n_metrics, 2);
	assert_int_equal(b->part, 1);
	assert_int_equal(b->sources[0].func, 1);
	assert_int_equal(b->sources[0].labels[0].index, 0);
	assert_int_equal(b->sources[1].func, 0);
	/* the result is that of a_total, the argument is new */
	assert_int_equal(b->sources[1].labels[0].index, 1);
	assert_int_equal(b->sources[1].labels[1].index, 2);
	assert_string_equal(shared->values[2].path, "v.at");
}

#define NUMBER(name, path)                                                                         \
	"  " name ":\n    type: counter\n    help: H\n    from: x::shared\n    value: {arg: " path \
	"}\n"

static void moves_numbers(void **state)
{
	const char *texts[] = { HEAD("a") NUMBER("a_total", "v.one"),
				HEAD("b") NUMBER("b_total", "v.two") NUMBER("c_total", "v.one") };
	_cleanup_(profile_freep) struct profile *profile = merge_good(texts, 2);

	(void)state;
	assert_int_equal(profile->funcs[0].n_values, 2);
	assert_int_equal(profile->metrics[0].sources[0].number, 0);
	assert_int_equal(profile->metrics[1].sources[0].number, 1);
	assert_int_equal(profile->metrics[2].sources[0].number, 0);
}

#define PLAIN(name) "  " name ": {type: counter, help: H, from: f::g}\n"

static void one_is_itself(void **state)
{
	const char *texts[] = { "profile: a\nlibrary: true\nmetrics:\n" PLAIN("a_total") };
	_cleanup_(profile_freep) struct profile *profile = merge_good(texts, 1);

	(void)state;
	assert_string_equal(profile->name, "a");
	assert_string_equal(profile->origin, "0.yaml");
	assert_true(profile->parts[0].library);
	assert_int_equal(profile->funcs[0].parts, 1);
}

static void refuses_what_stands_twice(void **state)
{
	(void)state;
	expect_refusal(HEAD("a") PLAIN("x_total"), HEAD("b") PLAIN("y_total") PLAIN("x_total"),
		       "0.yaml, line 3, and 1.yaml, line 4, both have the metric x_total; rename "
		       "one or leave it out");
	expect_refusal(HEAD("a") PLAIN("x_total"), HEAD("a") PLAIN("y_total"),
		       "0.yaml and 1.yaml both call themselves \"profile: a\"; give one of them "
		       "another name");
	expect_refusal(
		HEAD("a") PLAIN("x_seconds_total"),
		HEAD("b") "  x_seconds: {type: histogram, help: H, from: f::g, buckets: [1]}\n",
		"0.yaml, line 3, and 1.yaml, line 3, both have the metric x_seconds; rename "
		"one or leave it out");
}

static void refuses_a_profile_twice(void **state)
{
	struct profile *parts[] = { parse_good(HEAD("a") PLAIN("x_total")),
				    parse_good(HEAD("a") PLAIN("x_total")) };
	struct profile *profile = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(profile_merge(parts, 2, &profile, &err), -EEXIST);
	assert_string_equal(err.text, "the profile t.yaml is named twice; once is enough");
	profile_free(parts[0]);
	profile_free(parts[1]);
}

#define NODE(name, library, env) \
	"profile: " name "\nlibrary: " library "\nnode_id: {env: " env "}\nmetrics:\n"

static void a_library_gives_way_in_node_id(void **state)
{
	const char *same[] = { HEAD("a") PLAIN("a_total"),
			       NODE("b", "true", "ID") PLAIN("b_total") };
	const char *gives[] = { NODE("a", "true", "ID") PLAIN("a_total"),
				NODE("b", "false", "MINE") PLAIN("b_total"),
				NODE("c", "true", "ID") PLAIN("c_total") };
	_cleanup_(profile_freep) struct profile *one = merge_good(same, 2);
	_cleanup_(profile_freep) struct profile *two = merge_good(gives, 3);

	(void)state;
	assert_string_equal(one->node_id_env, "ID");
	assert_string_equal(two->node_id_env, "MINE");
	expect_refusal(NODE("a", "false", "ONE") PLAIN("a_total"),
		       NODE("b", "false", "TWO") PLAIN("b_total"),
		       "0.yaml takes the node_id from the variable ONE and 1.yaml from TWO; name "
		       "one and the same, or leave one out");
}

#define LABEL(n)                                                                   \
	"  " n "_total: {type: counter, help: H, from: f::g, labels: {l: {arg: " n \
	", values: {1: one}}}}\n"

static void refuses_more_than_fits(void **state)
{
	const char *many[PROFILE_PARTS_MAX + 1];
	struct profile *profile = NULL;
	struct err err = {};

	(void)state;
	expect_refusal(HEAD("a") PLAIN("a_total") PLAIN("b_total") PLAIN("c_total"),
		       HEAD("b") PLAIN("d_total") PLAIN("e_total"),
		       "\"f::g\" feeds 5 metrics (3 of 0.yaml, 2 of 1.yaml), at most 4 will do; "
		       "leave some of them out");
	expect_refusal(HEAD("a") LABEL("a") LABEL("b") LABEL("c"), HEAD("b") LABEL("d") LABEL("e"),
		       "0.yaml and 1.yaml together capture more than 4 values of \"f::g\"; use the "
		       "same labels in both, or fewer");
	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = HEAD("a") PLAIN("a_total");
	assert_int_equal(merge(many, ARRAY_SIZE(many), &profile, &err), -E2BIG);
	assert_string_equal(err.text, "at most 16 profiles can be used together, not 17");
}

static void refuses_too_many_functions(void **state)
{
	_strbuf_ struct strbuf first = {}, second = {};
	struct strbuf *texts[] = { &first, &second };

	(void)state;
	for (int t = 0; t < 2; t++) {
		strbuf_printf(texts[t], HEAD("%s"), t ? "b" : "a");
		for (int i = 0; i < PROFILE_FUNCS_MAX / 2 + 1; i++)
			strbuf_printf(texts[t],
				      "  m%d_%d_total: {type: counter, help: H, from: f%d::g%d}\n",
				      t, i, t, i);
	}
	expect_refusal(first.text, second.text,
		       "with 1.yaml the profiles name more than 128 functions; use fewer of them "
		       "at once");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_functions_and_values),
		cmocka_unit_test(moves_numbers),
		cmocka_unit_test(one_is_itself),
		cmocka_unit_test(refuses_what_stands_twice),
		cmocka_unit_test(refuses_a_profile_twice),
		cmocka_unit_test(a_library_gives_way_in_node_id),
		cmocka_unit_test(refuses_more_than_fits),
		cmocka_unit_test(refuses_too_many_functions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
