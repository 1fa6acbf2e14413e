// SPDX-License-Identifier: BSD-2-Clause
/* The table of facts is whole, and profiles are asked for them. */
#include "profile/fact.h"

#include "expect.h"

static void every_fact_is_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < FACTS; i++) {
		assert_non_null(facts[i].name);
		assert_non_null(facts[i].unit);
		assert_true(facts[i].labels < 1u << FACT_LABELS);
		assert_ptr_equal(fact_find(facts[i].name), &facts[i]);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(facts[i].name, facts[j].name);
	}
	assert_null(fact_find("weather"));
	for (enum fact_label l = 0; l < FACT_LABELS; l++)
		assert_non_null(fact_label_name(l));
}

static void says_what_is_wanted(void **state)
{
	struct profile *profile =
		parse_good("profile: t\nmetrics:\n"
			   "  a_total:\n    type: counter\n    help: H\n    from: a::b\n"
			   "  x_total:\n    type: counter\n    help: H\n    kernel: drops\n"
			   "  y_total:\n    type: counter\n    help: H\n    kernel: drops\n"
			   "    labels: [reason]\n");
	const struct profile_metric *metric = NULL;

	(void)state;
	assert_true(fact_any(profile));
	assert_true(fact_wanted(profile, FACT_DROPS, &metric));
	assert_string_equal(metric->name, "x_total");
	assert_false(fact_wanted(profile, FACT_RTT, &metric));
	assert_true(fact_wanted(profile, FACT_DROPS, NULL));
	profile_free(profile);
	profile = parse_good("profile: t\nmetrics:\n  a_total:\n    type: counter\n    help: H\n"
			     "    from: a::b\n");
	assert_false(fact_any(profile));
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_fact_is_whole),
		cmocka_unit_test(says_what_is_wanted),
	};

	return cmocka_run_group_tests_name("profile/fact", tests, NULL, NULL);
}
