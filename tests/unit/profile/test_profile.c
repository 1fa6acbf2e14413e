// SPDX-License-Identifier: BSD-2-Clause
/* A whole profile: its top, all faults at once, and whatever bytes may come. */
#include "profile/build.h"
#include "profile/builtin.h"

#include "expect.h"

#define METRIC(name) "  " name ":\n    type: counter\n    help: H\n    from: a::b\n"
#define HISTOGRAM(name) \
	"  " name ":\n    type: histogram\n    help: H\n    buckets: [1]\n    from: a::b\n"

static void reads_the_top(void **state)
{
	struct profile *profile =
		parse_good("node_id: {env: NODE_ID}\nprofile: mine\nmetrics:\n" METRIC("x_total"));

	(void)state;
	assert_string_equal(profile->name, "mine");
	assert_string_equal(profile->origin, "t.yaml");
	assert_string_equal(profile->node_id_env, "NODE_ID");
	profile_free(profile);
	profile = parse_good("profile: mine\nmetrics:\n" METRIC("x_total"));
	assert_null(profile->node_id_env);
	profile_free(profile);
	profile_free(NULL);
}

static void refuses_the_top(void **state)
{
	static const struct fault_case cases[] = {
		{ "profile: my node\nmetrics:\n" METRIC("x_total"), 1, 12, " ",
		  "profile name \"my node\" may have only letters, digits, - and _" },
		{ "profile: t\nnode_id: NODE_ID\nmetrics:\n" METRIC("x_total"), 2, 10, "NODE_ID",
		  "\"node_id\" must be a mapping (name: value), but here is text" },
		{ "profile: t\nnode_id: {env: X, environment: X}\nmetrics:\n" METRIC("x_total"), 2,
		  19, "environment",
		  "unknown key \"environment\" in \"node_id\"; it may have env" },
		{ "profile: t\nnode_id: {env: [X]}\nmetrics:\n" METRIC("x_total"), 2, 16, "[X]",
		  "\"env\" of \"node_id\" must be text, but here is a list" },
		{ "profile: t\nnode_id: {env: NODE ID}\nmetrics:\n" METRIC("x_total"), 2, 20, " ",
		  "variable \"NODE ID\" may have only letters, digits and _" },
		{ "profile: t\nnode_id: {env: NODE_SECRET_KEY}\nmetrics:\n" METRIC("x_total"), 2,
		  16, "NODE_SECRET_KEY",
		  "variable \"NODE_SECRET_KEY\" may hold a secret; name a variable that only tells the node, like NODE_ID" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
}

static void keeps_families_apart(void **state)
{
	static const struct fault_case cases[] = {
		{ "profile: t\nmetrics:\n" METRIC("x_seconds_total") HISTOGRAM("x_seconds"), 7, 3,
		  "x_seconds",
		  "metric \"x_seconds\" and \"x_seconds_total\" of line 3 are one family in OpenMetrics; rename one" },
	};

	(void)state;
	expect_faults(cases, ARRAY_SIZE(cases));
	profile_free(parse_good("profile: t\nmetrics:\n" METRIC("x_total") HISTOGRAM("x_seconds")));
}

static void bounds_the_size(void **state)
{
	size_t size = PROFILE_SIZE_MAX + 1;
	_free_ char *much = mem_alloc(size + 1);
	struct profile_faults faults;

	(void)state;
	memset(much, '#', size);
	faults = parse_bad(much, size);
	assert_int_equal(faults.n, 1);
	assert_non_null(strstr(faults.at[0].text,
			       "t.yaml:1:1: a profile is at most 1 MiB, this is 1048577 bytes"));
	profile_faults_free(&faults);
	faults = parse_bad(much, size - 1);
	assert_non_null(strstr(faults.at[0].text, "the profile is empty"));
	profile_faults_free(&faults);
}

static void bounds_the_metrics(void **state)
{
	_strbuf_ struct strbuf yaml = {};
	struct profile_faults faults;

	(void)state;
	strbuf_puts(&yaml, "profile: t\nmetrics:\n");
	for (int i = 0; i <= PROFILE_METRICS_MAX; i++)
		strbuf_printf(&yaml, "  m%d_total: {type: counter, help: H, from: 'a::f%d'}\n", i,
			      i % 64);
	faults = parse_bad(yaml.text, yaml.len);
	assert_int_equal(faults.n, 1);
	assert_int_equal(faults.at[0].line, 3 + PROFILE_METRICS_MAX);
	assert_non_null(strstr(faults.at[0].text, "this is metric number 257; 256 is the most"));
	profile_faults_free(&faults);
}

static void finds_all_faults_at_once(void **state)
{
	static const char yaml[] = "profile: t\n"
				   "node_id: {env: DB_PASSWORD}\n"
				   "metrics:\n"
				   "  x_total:\n"
				   "    type: counter\n"
				   "    help: H\n"
				   "    bucket: [1]\n"
				   "    from: f\n"
				   "  y_seconds:\n"
				   "    type: histogram\n"
				   "    help: H\n"
				   "    buckets: [2, 1, -1]\n"
				   "    from:\n"
				   "      - {function: a::b, labels: {x: total}}\n"
				   "      - a::c\n"
				   "extra: 1\n";
	static const unsigned places[][2] = { { 2, 16 },  { 7, 5 },   { 7, 5 },
					      { 8, 11 },  { 12, 18 }, { 12, 21 },
					      { 14, 38 }, { 15, 9 },  { 16, 1 } };
	struct profile_faults faults = parse_bad(yaml, strlen(yaml));

	(void)state;
	for (size_t i = 0; i < faults.n && i < ARRAY_SIZE(places); i++) {
		assert_int_equal(faults.at[i].line, places[i][0]);
		assert_int_equal(faults.at[i].column, places[i][1]);
	}
	assert_int_equal(faults.n, ARRAY_SIZE(places));
	profile_faults_free(&faults);
}

static uint32_t next(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

/* A byte changed, taken out or put in, or a piece copied elsewhere. */
static size_t mutate(char *text, size_t size, size_t room, uint32_t *seed)
{
	static const char bytes[] = "\n\n  \t:-,[]{}'\"&*!|>#%@`?~\\\0\xff\xc3"
				    "ax0.";
	size_t at = next(seed) % size;

	switch (next(seed) % 4) {
	case 0:
		text[at] = bytes[next(seed) % (sizeof(bytes) - 1)];
		return size;
	case 1:
		memmove(text + at, text + at + 1, size - at - 1);
		return size - 1;
	case 2:
		if (size == room)
			return size;
		memmove(text + at + 1, text + at, size - at);
		text[at] = bytes[next(seed) % (sizeof(bytes) - 1)];
		return size + 1;
	default: {
		size_t from = next(seed) % size, n = next(seed) % 40;

		if (from + n <= size && at + n <= size)
			memmove(text + at, text + from, n);
		return size;
	}
	}
}

/* Every fault of any text has a place in it and a sentence with its place. */
static void check_faults(const struct profile_faults *faults)
{
	assert_true(faults->n > 0);
	for (size_t i = 0; i < faults->n; i++) {
		_free_ char *place =
			mem_printf("t.yaml:%u:%u: ", faults->at[i].line, faults->at[i].column);

		assert_true(faults->at[i].line > 0 && faults->at[i].column > 0);
		if (strncmp(faults->at[i].text, "t.yaml: ", 8) != 0)
			assert_memory_equal(faults->at[i].text, place, strlen(place));
	}
}

static void survives_what_it_gets(void **state)
{
	const struct builtin_profile *source = &builtin_profiles[0];
	size_t room = source->size + 64, good = 0;
	_free_ char *text = mem_alloc(room + 1);
	uint32_t seed = 20260101;

	(void)state;
	for (int round = 0; round < 4000; round++) {
		struct profile_faults faults = {};
		struct profile *profile = NULL;
		size_t size = source->size;

		memcpy(text, source->text, size);
		for (uint32_t i = next(&seed) % 8 + 1; i > 0; i--)
			size = mutate(text, size, room, &seed);
		if (profile_parse("t.yaml", text, size, &profile, &faults) == 0)
			good++;
		else
			check_faults(&faults);
		profile_free(profile);
		profile_faults_free(&faults);
	}
	assert_in_range(good, 1, 3999); /* remarks and help texts bear any letter */
}

/* Every beginning of the file, as an editor that was killed may leave it. */
static void survives_cut_files(void **state)
{
	const struct builtin_profile *source = &builtin_profiles[0];

	(void)state;
	for (size_t size = 0; size < source->size; size++) {
		struct profile_faults faults = {};
		struct profile *profile = NULL;
		_free_ char *text = mem_alloc(size + 1); /* so that no byte behind it may be read */

		memcpy(text, source->text, size);
		if (profile_parse("t.yaml", text, size, &profile, &faults) < 0)
			check_faults(&faults);
		profile_free(profile);
		profile_faults_free(&faults);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_top),         cmocka_unit_test(refuses_the_top),
		cmocka_unit_test(keeps_families_apart),  cmocka_unit_test(bounds_the_size),
		cmocka_unit_test(bounds_the_metrics),    cmocka_unit_test(finds_all_faults_at_once),
		cmocka_unit_test(survives_what_it_gets), cmocka_unit_test(survives_cut_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
