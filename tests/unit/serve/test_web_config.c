// SPDX-License-Identifier: BSD-2-Clause
/* Users, headers and rate; that no sentence shows a hash. */
#include "expect_web.h"
#include "hashes.h"

static void test_users(void **state)
{
	_config_ struct web_config *config =
		parse_web("basic_auth_users:\n  alice: " HASH_SECRET "\n  'b c': " HASH_AGAIN "\n");

	(void)state;
	assert_int_equal(config->users.n, 2);
	assert_string_equal(web_config_user(config, "alice")->hash, HASH_SECRET);
	assert_string_equal(web_config_user(config, "b c")->hash, HASH_AGAIN);
	assert_null(web_config_user(config, "ALICE"));
	assert_null(web_config_user(config, ""));
	assert_false(config->tls.on);
}

static void test_bad_users(void **state)
{
	static const char *const hashes[] = {
		"secret",
		"$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIr",
		"$2x$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"$2y$03$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"$2y$32$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"$2y$4$zabcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
		"$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WI=W",
		"$6$saltsalt$2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW2r9OfJnfCsdneAXAG",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hashes); i++) {
		_free_ char *yaml = mem_printf("basic_auth_users:\n  u: '%s'\n", hashes[i]);
		struct web_config *config = NULL;
		struct err err = {};

		assert_int_equal(web_config_parse("w", yaml, strlen(yaml), &config, &err), -EINVAL);
		assert_non_null(strstr(err.text, "w:2:6: the password of \"u\" is no bcrypt hash"));
		assert_null(strstr(err.text, hashes[i])); /* it may be the password itself */
	}
}

static void test_headers(void **state)
{
	_config_ struct web_config *config =
		parse_web("http_server_config:\n  http2: true\n  headers:\n"
			  "    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=1\n"
			  "    X-Content-Type-Options: nosniff\n    X-XSS-Protection: '0'\n"
			  "    Content-Security-Policy: default-src 'none'\n");

	(void)state;
	assert_int_equal(config->headers.n, 5);
	assert_string_equal(web_config_header(config, "x-frame-options"), "deny");
	assert_string_equal(web_config_header(config, "Content-Security-Policy"),
			    "default-src 'none'");
	assert_null(web_config_header(config, "Server"));
}

static void test_rate(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
		{ "1s", 1000000000 },
		{ "500ms", 500000000 },
		{ "1m30s", 90000000000 },
		{ "0.5s", 500000000 },
		{ "250", 250 },
		{ "1h", 3600000000000 },
		{ "10us", 10000 },
		{ "0", 0 },
		{ "1ns", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		_free_ char *yaml =
			mem_printf("rate_limit: {interval: %s, burst: 7}\n", good[i].text);
		_config_ struct web_config *config = parse_web(yaml);

		assert_int_equal(config->rate_interval_ns, good[i].ns);
		assert_int_equal(config->rate_burst, 7);
	}
}

static void test_faults(void **state)
{
	static const struct web_case cases[] = {
		{ "", "w:1:1: the web configuration is empty; where nothing is to be protected "
		      "leave out --web.config.file" },
		{ "tls_server: {}\n",
		  "w:1:1: unknown key \"tls_server\" in a web configuration; it may have "
		  "tls_server_config, http_server_config, basic_auth_users, rate_limit" },
		{ "basic_auth_user: {u: " HASH_SECRET "}\n",
		  "w:1:1: unknown key \"basic_auth_user\" in a web configuration; did you mean "
		  "\"basic_auth_users\"?" },
		{ "basic_auth_users: {'a:b': " HASH_SECRET "}\n",
		  "w:1:20: the name of a user has no colon: HTTP cannot send one" },
		{ "basic_auth_users: {u: [" HASH_SECRET "]}\n",
		  "w:1:23: the password of a user must be text, but here is a list" },
		{ "http_server_config: {http2: maybe}\n",
		  "w:1:29: \"http2\" is true or false, not \"maybe\"" },
		{ "http_server_config:\n  headers: {X-Frame-Options: DENY}\n",
		  "w:2:30: X-Frame-Options may be deny or sameorigin, not \"DENY\"" },
		{ "http_server_config:\n  headers: {X-Content-Type-Options: sniff}\n",
		  "w:2:37: X-Content-Type-Options may be nosniff, not \"sniff\"" },
		{ "rate_limit: {interval: soon, burst: 1}\n",
		  "w:1:24: \"interval\" is a duration such as 500ms, 1s or 1m30s, not \"soon\"" },
		{ "rate_limit: {interval: 1s2, burst: 1}\n",
		  "w:1:24: \"interval\" is a duration such as 500ms, 1s or 1m30s, not \"1s2\"" },
		{ "rate_limit: {interval: 1s, burst: -1}\n",
		  "w:1:35: \"burst\" is a whole number, not \"-1\"" },
		{ "rate_limit: {interval: 1s, burst: 0}\n",
		  "w:1:35: with a \"burst\" of 0 no request would ever be answered; make it 1 or "
		  "more" },
		{ "basic_auth_users: {a: b, c: d}\n",
		  "w:1:23: the password of \"a\" is no bcrypt hash ($2y$…, 60 characters); make "
		  "one with: htpasswd -nBC 10 \"\" | tr -d ':' (and 1 more)" },
	};

	(void)state;
	expect_web_faults(cases, ARRAY_SIZE(cases));
}

static void test_file(void **state)
{
	struct web_config *config = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(web_config_load("/nonexistent/web.yml", &config, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/web.yml"));
	assert_null(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_users),   cmocka_unit_test(test_bad_users),
		cmocka_unit_test(test_headers), cmocka_unit_test(test_rate),
		cmocka_unit_test(test_faults),  cmocka_unit_test(test_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
