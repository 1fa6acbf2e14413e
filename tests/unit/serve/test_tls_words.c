// SPDX-License-Identifier: BSD-2-Clause
#include "serve/tls_words.h"

#include <gnutls/gnutls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t index_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return i;
	fail_msg("no %s", name);
	return n;
}

static void add_suite(struct web_tls *tls, const char *name)
{
	*VEC_ADD(&tls->suites) = index_of(name, tls_suite_names, tls_suite_count);
}

static void web_tls_free(struct web_tls *tls)
{
	free(tls->suites.at);
	free(tls->curves.at);
}

#define _tls_ __attribute__((cleanup(web_tls_free)))

/* What GnuTLS makes of the words: how many suites of each kind of version. */
struct found {
	unsigned modern, older; /* of TLS 1.3, and of those before */
	unsigned groups;
};

static struct found ask_library(const struct web_tls *tls)
{
	_strbuf_ struct strbuf text = {};
	gnutls_priority_t priority;
	struct found found = {};
	const unsigned *groups;
	unsigned index;
	const char *bad;
	int n;

	tls_priority(tls, &text);
	if (gnutls_priority_init(&priority, text.text, &bad) < 0)
		fail_msg("GnuTLS does not take %s at %s", text.text, bad);
	for (unsigned i = 0;; i++) {
		gnutls_protocol_t version;
		int r = gnutls_priority_get_cipher_suite_index(priority, i, &index);

		if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (r < 0 || !gnutls_cipher_suite_info(index, NULL, NULL, NULL, NULL, &version))
			continue;
		found.modern += version == GNUTLS_TLS1_3;
		found.older += version != GNUTLS_TLS1_3;
	}
	n = gnutls_priority_group_list(priority, &groups);
	found.groups = n > 0 ? (unsigned)n : 0;
	gnutls_priority_deinit(priority);
	return found;
}

static void test_default(void **state)
{
	struct web_tls tls = { .min = WEB_TLS12, .max = WEB_TLS13, .prefer_server = true };
	struct found found = ask_library(&tls);

	(void)state;
	assert_null(tls_suites_fault(&tls));
	assert_true(found.modern >= 3);
	assert_true(found.older >= 6);
	assert_true(found.groups >= 4);
}

static void test_versions(void **state)
{
	_strbuf_ struct strbuf text = {};
	struct web_tls tls = { .min = WEB_TLS10, .max = WEB_TLS12 };

	(void)state;
	tls_priority(&tls, &text);
	assert_string_equal(text.text, "NORMAL:-VERS-ALL:-KX-ALL:+VERS-TLS1.2:+VERS-TLS1.1:"
				       "+VERS-TLS1.0:+ECDHE-ECDSA:+ECDHE-RSA");
	tls.min = tls.max = WEB_TLS13;
	assert_true(ask_library(&tls).modern >= 3);
}

/* Each suite alone gives itself and nothing else, which the library confirms. */
static void test_each_suite_alone(void **state)
{
	(void)state;
	for (size_t s = 0; s < tls_suite_count; s++) {
		_tls_ struct web_tls tls = { .min = WEB_TLS12, .max = WEB_TLS12 };
		bool modern = !strstr(tls_suite_names[s], "_WITH_");
		struct found found;

		if (modern)
			tls.min = tls.max = WEB_TLS13;
		*VEC_ADD(&tls.suites) = s;
		assert_null(tls_suites_fault(&tls));
		found = ask_library(&tls);
		if (modern)
			assert_int_equal(found.modern, 1);
		else
			assert_int_equal(found.older, 1);
	}
}

static void test_all_suites(void **state)
{
	_tls_ struct web_tls tls = { .min = WEB_TLS12, .max = WEB_TLS13 };
	struct found found;

	(void)state;
	for (size_t s = 0; s < tls_suite_count; s++)
		*VEC_ADD(&tls.suites) = s;
	assert_null(tls_suites_fault(&tls));
	found = ask_library(&tls);
	assert_int_equal(found.modern, 3);
	assert_int_equal(found.older, 10);
}

static void test_suite_that_comes_along(void **state)
{
	_tls_ struct web_tls tls = { .min = WEB_TLS12, .max = WEB_TLS13 };
	_free_ char *fault = NULL;

	(void)state;
	add_suite(&tls, "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
	add_suite(&tls, "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384");
	fault = tls_suites_fault(&tls);
	assert_non_null(fault);
	assert_non_null(strstr(fault, "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
	assert_int_equal(ask_library(&tls).older, 4); /* the two, and two more */
	/* of no matter where no version has it */
	tls.min = WEB_TLS13;
	assert_null(tls_suites_fault(&tls));
}

static void test_no_suite_of_tls13(void **state)
{
	_tls_ struct web_tls tls = { .min = WEB_TLS12, .max = WEB_TLS13 };
	_free_ char *fault = NULL;

	(void)state;
	add_suite(&tls, "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA");
	fault = tls_suites_fault(&tls);
	assert_non_null(fault);
	assert_non_null(strstr(fault, "max_version: TLS12"));
	tls.max = WEB_TLS12;
	assert_null(tls_suites_fault(&tls));
}

static void test_curves(void **state)
{
	_tls_ struct web_tls tls = { .min = WEB_TLS12, .max = WEB_TLS13 };

	(void)state;
	for (size_t c = 0; c < tls_curve_count; c++) {
		*VEC_ADD(&tls.curves) = c;
		assert_int_equal(ask_library(&tls).groups, c + 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_each_suite_alone),
		cmocka_unit_test(test_all_suites),
		cmocka_unit_test(test_suite_that_comes_along),
		cmocka_unit_test(test_no_suite_of_tls13),
		cmocka_unit_test(test_curves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
