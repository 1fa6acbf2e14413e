// SPDX-License-Identifier: BSD-2-Clause
/* The texts that are no tree of this language: characters, YAML's syntax, and
 * the parts of YAML that are left out. */
#include "profile/tree.h"

#include "expect.h"

#define METRIC                \
	"  mpc_a_total:\n"    \
	"    type: counter\n" \
	"    help: Help.\n"   \
	"    from: a::b\n"

static void refuses_characters(void **state)
{
	static const struct fault_case cases[] = {
		{ "profile: \xff\n", 1, 10, "\xff",
		  "byte 0xff is not UTF-8; save the file as UTF-8" },
		{ "a: b\nx\xc3(: b\n", 2, 2, "\xc3",
		  "byte 0xc3 is not UTF-8; save the file as UTF-8" },
		{ "a: \x1b[0m\n", 1, 4, "\x1b",
		  "the control character U+001B does not belong here" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct profile_faults faults = parse_bad(cases[i].yaml, strlen(cases[i].yaml));
		_free_ char *want = mem_printf("t.yaml:%u:%u: %s\n", cases[i].line, cases[i].column,
					       cases[i].sentence);

		assert_int_equal(faults.n, 1);
		assert_memory_equal(faults.at[0].text, want, strlen(want));
		assert_non_null(strstr(faults.at[0].text, "\xef\xbf\xbd"));
		profile_faults_free(&faults);
	}
}

static void refuses_other_encodings(void **state)
{
	struct profile_faults faults = parse_bad("\xff\xfep\0r\0", 6);

	(void)state;
	assert_int_equal(faults.n, 1);
	assert_non_null(strstr(faults.at[0].text, "t.yaml:1:1: byte 0xff is not UTF-8"));
	profile_faults_free(&faults);
	faults = parse_bad("a: \0b", 5);
	assert_int_equal(faults.n, 1);
	assert_non_null(strstr(faults.at[0].text, "t.yaml:1:4: the control character U+0000"));
	profile_faults_free(&faults);
}

static void shows_where_the_syntax_breaks(void **state)
{
	static const struct fault_case cases[] = {
		{ "profile: [a\nmetrics: b\n", 2, 8, ":",
		  "not YAML: did not find expected ',' or ']', while parsing a flow sequence that begins on line 1" },
		{ "profile: \"a\n", 2, 1, " ",
		  "not YAML: found unexpected end of stream, while scanning a quoted scalar that begins on line 1" },
		{ "profile: a: b\n", 1, 11, ":",
		  "not YAML: mapping values are not allowed in this context" },
		{ "profile: @x y\n", 1, 10, "@x",
		  "not YAML: found character that cannot start any token, while scanning for the next token" },
		{ "a: b\n  c: d\n", 2, 4, ":",
		  "not YAML: mapping values are not allowed in this context" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void names_every_line_with_a_tab(void **state)
{
	static const char yaml[] =
		"profile: t\nmetrics:\n\tmpc_a_total:\n\t\ttype: counter\n\t# note\n";
	static const struct fault_case cases[] = {
		{ yaml, 3, 1, "\t", "a tab indents this line; YAML wants spaces" },
		{ yaml, 4, 1, "\t\t", "a tab indents this line; YAML wants spaces" },
	};
	struct profile_faults faults = parse_bad(yaml, strlen(yaml));

	(void)state;
	assert_int_equal(faults.n, 2);
	expect_fault_in(&faults, 0, &cases[0]);
	expect_fault_in(&faults, 1, &cases[1]);
	profile_faults_free(&faults);
}

static void leaves_parts_of_yaml_out(void **state)
{
	static const struct fault_case cases[] = {
		{ "profile: &p t\nmetrics:\n" METRIC, 1, 10, "&p",
		  "anchors (&name) are not part of this language" },
		{ "profile: !!str t\nmetrics:\n" METRIC, 1, 10, "!!str",
		  "tags (!name) are not part of this language" },
		{ "profile: t\nmetrics: !x\n" METRIC, 2, 10, "!x",
		  "tags (!name) are not part of this language" },
		{ "profile: t\nmetrics:\n" METRIC "---\nprofile: u\n", 7, 1, "---",
		  "a second document begins here; there may be one only" },
		{ "profile: t\nmetrics: *m\n", 2, 10, "*m",
		  "aliases (*name) are not part of this language; quote a pattern that begins with *" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

/* A tree with loops is never walked; all its anchors and aliases are named. */
static void survives_loops(void **state)
{
	static const char yaml[] = "profile: &a\n  metrics: *a\n? *a\n: &b [*b]\n";
	struct profile_faults faults = parse_bad(yaml, strlen(yaml));

	(void)state;
	assert_int_equal(faults.n, 5);
	profile_faults_free(&faults);
}

static void bounds_the_depth(void **state)
{
	_free_ char *deep = mem_alloc(1000001);
	struct profile_faults faults;

	(void)state;
	memset(deep, '[', 1000000);
	faults = parse_bad(deep, 1000000);
	assert_int_equal(faults.n, 1);
	assert_int_equal(faults.at[0].column, TREE_DEPTH_MAX + 1);
	assert_non_null(strstr(faults.at[0].text, "too many levels of lists and mappings"));
	profile_faults_free(&faults);
}

static void wants_something(void **state)
{
	static const struct fault_case cases[] = {
		{ "", 1, 1, " ", "the profile is empty; see docs/profile.md for a first one" },
		{ "# only a remark\n", 1, 1, "#",
		  "the profile is empty; see docs/profile.md for a first one" },
		{ "---\n", 1, 1, "-", "the profile is empty; see docs/profile.md for a first one" },
		{ "text", 1, 1, "text",
		  "a profile must be a mapping (name: value), but here is text" },
		{ "[a, b]", 1, 1, "[a, b]",
		  "a profile must be a mapping (name: value), but here is a list" },
		{ "{}", 1, 1, "{}", "a profile is empty" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void takes_every_line_ending(void **state)
{
	struct profile *profile =
		parse_good("\xef\xbb\xbfprofile: t\r\nmetrics:\r\n  mpc_a_total:\r\n"
			   "    type: counter\r\n    help: H\r\n    from: a::b\r\n");

	(void)state;
	assert_int_equal(profile->metrics[0].line, 3);
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses_characters),
		cmocka_unit_test(refuses_other_encodings),
		cmocka_unit_test(shows_where_the_syntax_breaks),
		cmocka_unit_test(names_every_line_with_a_tab),
		cmocka_unit_test(leaves_parts_of_yaml_out),
		cmocka_unit_test(survives_loops),
		cmocka_unit_test(bounds_the_depth),
		cmocka_unit_test(wants_something),
		cmocka_unit_test(takes_every_line_ending),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
