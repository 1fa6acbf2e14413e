// SPDX-License-Identifier: BSD-2-Clause
/* The section tls_server_config. */
#include "expect_web.h"
#include "serve/tls_words.h"

#define PAIR "tls_server_config:\n  cert_file: a\n  key_file: b\n"

static void test_files(void **state)
{
	_config_ struct web_config *config =
		parse_web("tls_server_config:\n  cert_file: a.pem\n  key_file: /k/b.key\n"
			  "  client_ca_file: c/ca.pem\n  client_auth_type: RequestClientCert\n");

	(void)state;
	assert_true(config->tls.on);
	assert_string_equal(config->tls.cert.path, "/etc/x/a.pem");
	assert_int_equal(config->tls.cert.line, 2);
	assert_string_equal(config->tls.key.path, "/k/b.key");
	assert_string_equal(config->tls.client_ca.path, "/etc/x/c/ca.pem");
	assert_int_equal(config->tls.client_ca.line, 4);
	assert_int_equal(config->tls.min, WEB_TLS12);
	assert_int_equal(config->tls.max, WEB_TLS13);
	assert_true(config->tls.prefer_server);
	assert_int_equal(config->tls.suites.n, 0);
}

static void test_client_auth(void **state)
{
	static const struct {
		const char *word;
		enum web_client_auth auth;
	} words[] = {
		{ "NoClientCert", WEB_CLIENT_NONE },
		{ "RequestClientCert", WEB_CLIENT_REQUEST },
		{ "RequireAnyClientCert", WEB_CLIENT_REQUIRE_ANY },
		{ "RequireClientCert", WEB_CLIENT_REQUIRE_ANY },
		{ "VerifyClientCertIfGiven", WEB_CLIENT_VERIFY_IF_GIVEN },
		{ "RequireAndVerifyClientCert", WEB_CLIENT_REQUIRE_AND_VERIFY },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		_free_ char *yaml = mem_printf(PAIR "  client_auth_type: %s\n", words[i].word);
		_config_ struct web_config *config = parse_web(yaml);

		assert_int_equal(config->tls.client_auth, words[i].auth);
	}
}

static void test_lists(void **state)
{
	_config_ struct web_config *config =
		parse_web(PAIR "  client_auth_type: RequireAndVerifyClientCert\n"
			       "  client_allowed_sans: [prometheus, 10.0.0.1]\n"
			       "  min_version: TLS10\n  max_version: TLS11\n"
			       "  curve_preferences: [X25519, CurveP256]\n"
			       "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n"
			       "  prefer_server_cipher_suites: false\n");

	(void)state;
	assert_int_equal(config->tls.client_sans.n, 2);
	assert_string_equal(config->tls.client_sans.at[1], "10.0.0.1");
	assert_int_equal(config->tls.min, WEB_TLS10);
	assert_int_equal(config->tls.max, WEB_TLS11);
	assert_int_equal(config->tls.curves.n, 2);
	assert_string_equal(tls_curve_names[config->tls.curves.at[0]], "X25519");
	assert_int_equal(config->tls.suites.n, 1);
	assert_string_equal(tls_suite_names[config->tls.suites.at[0]],
			    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA");
	assert_false(config->tls.prefer_server);
}

static void test_faults(void **state)
{
	static const struct web_case cases[] = {
		{ "tls_server_config:\n  key_file: b\n",
		  "w:1:1: \"tls_server_config\" lacks the key \"cert_file\"" },
		{ "tls_server_config:\n  min_version: TLS13\n",
		  "w:1:1: \"tls_server_config\" lacks the key \"cert_file\" (and 1 more)" },
		{ PAIR "  cipher_suite: []\n",
		  "w:4:3: unknown key \"cipher_suite\" in \"tls_server_config\"; did you mean "
		  "\"cipher_suites\"? (and 1 more)" },
		{ PAIR "  client_auth_type: RequireAndVerify\n",
		  "w:4:21: \"client_auth_type\" knows no \"RequireAndVerify\"; there are: "
		  "NoClientCert, RequestClientCert, RequireAnyClientCert, VerifyClientCertIfGiven, "
		  "RequireAndVerifyClientCert, RequireClientCert" },
		{ PAIR "  min_version: TLS1.2\n",
		  "w:4:16: \"min_version\" knows no \"TLS1.2\"; did you mean \"TLS12\"?" },
		{ PAIR "  min_version: TLS13\n  max_version: TLS12\n",
		  "w:1:1: no version of TLS is left between min_version TLS13 and max_version "
		  "TLS12" },
		{ PAIR "  client_ca_file: c\n",
		  "w:4:3: \"client_ca_file\" is of no use while no client is asked for a "
		  "certificate; add client_auth_type: RequireAndVerifyClientCert" },
		{ PAIR "  client_allowed_sans: [x]\n",
		  "w:4:3: \"client_allowed_sans\" is of no use while no client is asked for a "
		  "certificate; add client_auth_type: RequireAndVerifyClientCert" },
		{ PAIR "  curve_preferences: [P256]\n",
		  "w:4:23: \"curve_preferences\" knows no \"P256\"; there are: CurveP256, "
		  "CurveP384, CurveP521, X25519" },
		{ PAIR "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]\n",
		  "w:4:3: \"cipher_suites\": none of these is of TLS 1.3; add one with GCM or "
		  "CHACHA20, or set max_version: TLS12" },
		{ PAIR "  prefer_server_cipher_suites: 2\n",
		  "w:4:32: \"prefer_server_cipher_suites\" is true or false, not \"2\"" },
	};

	(void)state;
	expect_web_faults(cases, ARRAY_SIZE(cases));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_client_auth),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
