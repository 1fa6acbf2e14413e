// SPDX-License-Identifier: BSD-2-Clause
/* Walking the tree: types, keys that are unknown, twice or missing, and places. */
#include "profile/tree.h"

#include "expect.h"

#define GOOD "metrics: {mpc_a_total: {type: counter, help: H, from: 'a::b'}}\n"

static void refuses_keys(void **state)
{
	static const struct fault_case cases[] = {
		{ "profile: t\n" GOOD "metric: 1\n", 3, 1, "metric",
		  "unknown key \"metric\" in a profile; did you mean \"metrics\"?" },
		{ "profile: t\n" GOOD "colour: 1\n", 3, 1, "colour",
		  "unknown key \"colour\" in a profile; it may have profile, library, node_id, metrics" },
		{ "profile: t\n" GOOD "profile: u\n", 3, 1, "profile",
		  "\"profile\" stands twice in a profile; first on line 1" },
		{ "profile: t\n" GOOD "[a]: u\n", 3, 1, "[a]",
		  "a key of a profile must be text, but here is a list" },
		{ "profile: t\n" GOOD "? ' '\n: u\n", 3, 3, "' '",
		  "a key of a profile must be text, but here is empty text" },
		{ "profile: t\n" GOOD "\"a\\nb\": u\n", 3, 1, "\"a\\nb\"",
		  "a key must be one line without control characters" },
		{ "profile: t\n", 1, 1, "profile: t", "a profile lacks the key \"metrics\"" },
		{ GOOD, 1, 1, "metrics: {mpc_a_total: {type: counter, help: H, from: 'a::b'}}",
		  "a profile lacks the key \"profile\"" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void refuses_types(void **state)
{
	static const struct fault_case cases[] = {
		{ "profile: [t]\n" GOOD, 1, 10, "[t]",
		  "\"profile\" must be text, but here is a list" },
		{ "profile: {t: u}\n" GOOD, 1, 10, "{t: u}",
		  "\"profile\" must be text, but here is a mapping" },
		{ "profile:\n" GOOD, 1, 1, "profile",
		  "\"profile\" must be text, but here is nothing" },
		{ "profile: ''\n" GOOD, 1, 10, "''",
		  "\"profile\" must be text, but here is empty text" },
		{ "profile: \"a\\0b\"\n" GOOD, 1, 10, "\"a\\0b\"",
		  "\"profile\" must be one line without control characters" },
		{ "profile: t\nmetrics: []\n", 2, 10, "[]",
		  "\"metrics\" must be a mapping (name: value), but here is a list" },
		{ "profile: t\nmetrics: {}\n", 2, 10, "{}", "\"metrics\" is empty" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void bounds_mappings(void **state)
{
	_strbuf_ struct strbuf yaml = {};
	struct profile_faults faults;

	(void)state;
	strbuf_puts(&yaml, "profile: t\nmetrics:\n");
	for (int i = 0; i <= TREE_ENTRIES_MAX; i++)
		strbuf_printf(&yaml, "  m%d: x\n", i);
	faults = parse_bad(yaml.text, yaml.len);
	assert_int_equal(faults.n, 1);
	assert_non_null(strstr(faults.at[0].text, "\"metrics\" has more than 1024 entries"));
	profile_faults_free(&faults);
}

/* The first scalar of a text, to ask for the places of its parts. */
static void expect_part(const char *yaml, size_t at, size_t size, size_t column, size_t width)
{
	struct profile_faults faults = {};
	struct fault_page page;
	struct fault_span span;
	struct tree tree;

	fault_page_open(&page, "t.yaml", yaml, strlen(yaml), &faults);
	assert_true(tree_load(&tree, &page, "empty"));
	span = tree_part_span(&tree, tree.root, at, size);
	assert_int_equal(span.column, column);
	assert_int_equal(span.width, width);
	tree_free(&tree);
	fault_page_close(&page);
	assert_int_equal(faults.n, 0);
}

static void places_parts(void **state)
{
	(void)state;
	expect_part("  vote.approve", 5, 7, 7, 7);
	expect_part("'vote.approve'", 5, 7, 6, 7);
	expect_part("\"vote.approve\"", 5, 7, 6, 7);
	expect_part("\"\\x76ote.approve\"", 5, 7, 0, 17); /* escapes: all of it */
	expect_part("v\xc3\xb6te.approve", 6, 7, 5, 7);
	expect_part("vote.", 5, 1, 0, 5); /* past the end: all of it */
	expect_part("vote", 4, 0, 4, 0);
	expect_part(">\n  vote\n  approve\n", 1, 2, 0, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_keys),
		cmocka_unit_test(refuses_types),
		cmocka_unit_test(bounds_mappings),
		cmocka_unit_test(places_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
