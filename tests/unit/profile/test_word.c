// SPDX-License-Identifier: BSD-2-Clause
#include "profile/word.h"

#include "expect.h"

typedef bool check(const char *text, struct word_fault *fault);

struct word_case {
	const char *text;
	size_t at, size;
	const char *why;
};

static void expect_good(check *is, const char *const *words, size_t n)
{
	struct word_fault fault = {};

	for (size_t i = 0; i < n; i++)
		if (!is(words[i], &fault))
			fail_msg("\"%s\" %s", words[i], fault.why);
}

static void expect_bad(check *is, const struct word_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct word_fault fault = {};

		if (is(cases[i].text, &fault))
			fail_msg("\"%s\" was taken", cases[i].text);
		assert_string_equal(fault.why, cases[i].why);
		assert_int_equal(fault.at, cases[i].at);
		assert_int_equal(fault.size, cases[i].size);
	}
}
#define EXPECT_GOOD(is, words) expect_good(is, words, ARRAY_SIZE(words))
#define EXPECT_BAD(is, cases) expect_bad(is, cases, ARRAY_SIZE(cases))

static char *repeat(char c, size_t n)
{
	char *text = mem_alloc(n + 1);

	memset(text, c, n);
	return text;
}

static bool is_counter(const char *text, struct word_fault *fault)
{
	return word_is_metric_name(text, PROFILE_COUNTER, false, fault);
}

static bool is_histogram(const char *text, struct word_fault *fault)
{
	return word_is_metric_name(text, PROFILE_HISTOGRAM, false, fault);
}

static bool is_histogram_of_numbers(const char *text, struct word_fault *fault)
{
	return word_is_metric_name(text, PROFILE_HISTOGRAM, true, fault);
}

static void profile_names(void **state)
{
	static const char *const good[] = { "mpc-node", "a", "my_profile2" };
	static const struct word_case bad[] = {
		{ "a b", 1, 1, "may have only letters, digits, - and _" },
		{ "\xc3\xa9t\xc3\xa9", 0, 2, "may have only letters, digits, - and _" },
		{ "2nd", 0, 1, "begins with a digit" },
	};

	(void)state;
	EXPECT_GOOD(word_is_profile_name, good);
	EXPECT_BAD(word_is_profile_name, bad);
}

static void metric_names(void **state)
{
	static const char *const counters[] = { "mpc_votes_total", "a_seconds_total", "x_total" };
	static const char *const histograms[] = { "mpc_dkg_duration_seconds", "x_seconds" };
	static const struct word_case bad_counters[] = {
		{ "mpc_votes", 0, 9, "must end in _total, because it is a counter" },
		{ "_total", 0, 6, "must end in _total, because it is a counter" },
		{ "mpc-votes_total", 3, 1, "may have only letters, digits and _" },
		{ "job:votes_total", 3, 1,
		  "has a colon, which Prometheus keeps for recording rules" },
		{ "5votes_total", 0, 1, "begins with a digit" },
		{ "votes_count_total", 5, 6, "has a suffix that Prometheus adds by itself" },
		{ "mpc_bpf_agent_x_total", 0, 14, "begins like the agent's own metrics" },
	};
	static const struct word_case bad_histograms[] = {
		{ "dkg_ms", 0, 6, "must end in _seconds, because it is a histogram of durations" },
		{ "dkg_bucket_seconds", 3, 7, "has a suffix that Prometheus adds by itself" },
	};
	static const char *const numbers[] = { "mpc_batch_items", "x_bytes", "x_seconds" };
	static const struct word_case bad_numbers[] = {
		{ "x_total", 1, 6, "ends like a counter, and is a histogram" },
		{ "x_sum", 1, 4, "has a suffix that Prometheus adds by itself" },
	};
	_free_ char *much = repeat('a', 129);
	struct word_fault fault;

	(void)state;
	EXPECT_GOOD(is_histogram_of_numbers, numbers);
	EXPECT_BAD(is_histogram_of_numbers, bad_numbers);
	EXPECT_GOOD(is_counter, counters);
	EXPECT_GOOD(is_histogram, histograms);
	EXPECT_BAD(is_counter, bad_counters);
	EXPECT_BAD(is_histogram, bad_histograms);
	assert_false(is_counter(much, &fault));
	assert_string_equal(fault.why, "is longer than 128 characters");
}

static void label_names(void **state)
{
	static const char *const good[] = { "result", "error_type", "_x", "x2", "leader" };
	static const struct word_case bad[] = {
		{ "error-type", 5, 1, "may have only letters, digits and _" },
		{ "1x", 0, 1, "begins with a digit" },
		{ "__name__", 0, 2, "begins with __, which Prometheus keeps for itself" },
		{ "node_id", 0, 7,
		  "is reserved: the agent adds it to every metric (see node_id of the profile)" },
		{ "le", 0, 2, "is reserved: histograms use it for their buckets" },
	};

	(void)state;
	EXPECT_GOOD(word_is_label_name, good);
	EXPECT_BAD(word_is_label_name, bad);
}

static void label_values(void **state)
{
	static const char *const good[] = { "approve", "two words", "caf\xc3\xa9", "totals" };
	static const struct word_case bad[] = {
		{ "total", 0, 5, "is reserved: a query makes sums, not a label" },
		{ "unknown", 0, 7,
		  "is reserved: the agent says it where a value could not be read" },
	};
	_free_ char *much = repeat('a', 65);
	struct word_fault fault;

	(void)state;
	EXPECT_GOOD(word_is_label_value, good);
	EXPECT_BAD(word_is_label_value, bad);
	assert_false(word_is_label_value(much, &fault));
	assert_string_equal(fault.why, "is longer than 64 bytes");
}

static void arguments(void **state)
{
	static const char *const good[] = { "protocol", "vote.approve", "self.pool.len",
					    "tx.0.1",   "a.b.c.d.e.f",  "vote.public_key",
					    "a.len()",  "a.b.0.len()",  "self.presignatures.len()",
					    "len.len" };
	static const char form[] =
		"must be an argument and its fields, like vote.approve, tx.0 or shares.len()";
	static const char dot[] = "has a dot with nothing at one side of it";
	static const struct word_case bad[] = {
		{ "vote..approve", 5, 1, dot },
		{ "vote.", 5, 1, dot },
		{ ".vote", 0, 1, dot },
		{ "0.a", 0, 1, form },
		{ "vote.1a", 5, 2, form },
		{ "vote.signature[0]", 5, 12, form },
		{ "&vote", 0, 5, form },
		{ "*vote.x", 0, 5, form },
		{ "vote::approve", 0, 13, form },
		{ "len()", 0, 5, form },
		{ "a.length()", 2, 8, form },
		{ "a.len().b", 2, 5, "must stand at the end: it has no fields" },
		{ "self.nonces.len()", 5, 6,
		  "names a secret; the agent reads no keys, shares, nonces or plaintext" },
		{ "a.b.c.d.e.f.g", 12, 1, "goes through more than five fields" },
		{ "self.secret_share.x", 5, 12,
		  "names a secret; the agent reads no keys, shares, nonces or plaintext" },
	};
	_free_ char *much = repeat('a', 129);
	struct word_fault fault;

	(void)state;
	EXPECT_GOOD(word_is_argument, good);
	EXPECT_BAD(word_is_argument, bad);
	assert_false(word_is_argument(much, &fault));
	assert_string_equal(fault.why, "is longer than 128 characters");
}

static void keys(void **state)
{
	static const char *const good[] = { "id", "vote.tx_id", "self.address()",
					    "cx.common.address()" };
	static const struct word_case bad[] = {
		{ "address()", 0, 9,
		  "must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ "a.address().address()", 2, 9, "must stand at the end: it has no fields" },
		{ "a.len().address()", 2, 5,
		  "must be an argument and its fields, like vote.tx_id or self.address()" },
		{ "self.nonce.address()", 5, 5,
		  "names a secret; the agent reads no keys, shares, nonces or plaintext" },
	};
	struct word_fault fault;

	(void)state;
	EXPECT_GOOD(word_is_key, good);
	EXPECT_BAD(word_is_key, bad);
	assert_true(word_is_address("cx.common.address()"));
	assert_false(word_is_address("self.address"));
	assert_false(word_is_argument("self.address()", &fault));
	assert_false(word_is_result("Ok.address()", &fault));
}

static void numbers(void **state)
{
	static const char *const good[] = { "n", "shares.len()", "limit.as_secs_f64()",
					    "rtt.smoothed.as_secs_f64()" };
	static const char time[] =
		"must be an argument and its fields, like rtt.latest.as_secs_f64()";
	static const struct word_case bad[] = {
		{ "as_secs_f64()", 0, 13,
		  "must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ "a.as_secs_f64().len()", 2, 13,
		  "must be an argument and its fields, like vote.approve, tx.0 or shares.len()" },
		{ "a.len().as_secs_f64()", 2, 5, time },
		{ "a.as_secs_f64().as_secs_f64()", 2, 13,
		  "must stand at the end: it has no fields" },
		{ "self.nonce.as_secs_f64()", 5, 5,
		  "names a secret; the agent reads no keys, shares, nonces or plaintext" },
	};
	struct word_fault fault;

	(void)state;
	EXPECT_GOOD(word_is_number, good);
	EXPECT_BAD(word_is_number, bad);
	assert_true(word_is_time("rtt.smoothed.as_secs_f64()"));
	assert_false(word_is_time("rtt.smoothed"));
	assert_false(word_is_argument("limit.as_secs_f64()", &fault));
	assert_false(word_is_result("Ok.as_secs_f64()", &fault));
}

static void results(void **state)
{
	static const char *const good[] = { "Ok",     "Ok.len()", "len()", "Ok.Accepted.count",
					    "number", "0",        "Ok.1",  "current_size" };
	static const char form[] =
		"must be variants and fields, like Ok, Ok.len() or Ok.Accepted.count, or number where the function returns one";
	static const char secret[] =
		"names a secret; the agent reads no keys, shares, nonces or plaintext";
	static const struct word_case bad[] = {
		{ "Ok::Some", 0, 8, form },
		{ "Ok.count()", 3, 7, form },
		{ "Ok..n", 3, 1, "has a dot with nothing at one side of it" },
		{ "len().n", 0, 5, "must stand at the end: it has no fields" },
		{ "Ok.key_share", 3, 9, secret },
		{ "Ok.nonces.len()", 3, 6, secret },
		{ "a.b.c.d.e.f.g", 12, 1, "goes through more than five fields" },
	};
	struct word_fault fault;

	(void)state;
	EXPECT_GOOD(word_is_result, good);
	EXPECT_BAD(word_is_result, bad);
	assert_false(word_is_argument("len()", &fault));
}

static void raw_values(void **state)
{
	static const char *const good[] = {
		"true",    "false",   "0",           "-1",      "9223372036854775807",
		"Pending", "CGGMP24", "Ok.Accepted", "Err.A.B", "20.134",
		"-12.-1",  "Ok.3",    "Err.code.304"
	};
	static const char form[] =
		"must be true, false, a number or a variant like Pending or Ok.Accepted";
	static const struct word_case bad[] = {
		{ "-", 0, 1, form },
		{ "1.5.2", 0, 1, form },
		{ "1.", 0, 1, form },
		{ "1.A", 0, 1, form },
		{ "12345678901234567890", 0, 20, form },
		{ "Ok::Accepted", 0, 12, form },
		{ "Ok(x)", 0, 5, form },
		{ "Ok.", 3, 1, form },
		{ "Ok..A", 3, 1, form },
		{ "A.B.C.D", 6, 1, "is nested more than three deep" },
		{ "A.B.C.4", 6, 1, "is nested more than three deep" },
		{ "A.4.C", 2, 1, form },
		{ "Err.nonce.4", 4, 5,
		  "names a secret; the agent reads no keys, shares, nonces or plaintext" },
	};

	(void)state;
	EXPECT_GOOD(word_is_raw, good);
	EXPECT_BAD(word_is_raw, bad);
}

static void variables(void **state)
{
	static const char *const good[] = { "NODE_ID", "node", "HOSTNAME", "_X1" };
	static const char secret[] =
		"may hold a secret; name a variable that only tells the node, like NODE_ID";
	static const struct word_case bad[] = {
		{ "NODE-ID", 4, 1, "may have only letters, digits and _" },
		{ "$NODE_ID", 0, 1, "may have only letters, digits and _" },
		{ "1NODE", 0, 1, "begins with a digit" },
		{ "NODE_SECRET", 0, 11, secret },
		{ "POSTGRES_URL", 0, 12, secret },
	};

	(void)state;
	EXPECT_GOOD(word_is_variable, good);
	EXPECT_BAD(word_is_variable, bad);
}

static bool is_duration(const char *text, struct word_fault *fault)
{
	uint64_t seconds;

	return word_is_duration(text, &seconds, fault);
}

static void times(void **state)
{
	uint64_t seconds = 1;
	struct word_fault fault;

	(void)state;
	assert_true(word_is_duration("never", &seconds, &fault));
	assert_int_equal(seconds, 0);
	assert_true(word_is_duration("90m", &seconds, &fault));
	assert_int_equal(seconds, 5400);
	assert_false(is_duration("10ms", &fault));
	assert_int_equal(fault.at, 2);
	assert_int_equal(fault.size, 2);
	assert_false(is_duration("s", &fault));
	assert_false(is_duration("-5s", &fault));
	assert_false(is_duration("31536001s", &fault));
	assert_false(is_duration("18446744073709551617s", &fault));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profile_names), cmocka_unit_test(metric_names),
		cmocka_unit_test(label_names),   cmocka_unit_test(label_values),
		cmocka_unit_test(arguments),     cmocka_unit_test(raw_values),
		cmocka_unit_test(keys),          cmocka_unit_test(results),
		cmocka_unit_test(variables),     cmocka_unit_test(times),
		cmocka_unit_test(numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
