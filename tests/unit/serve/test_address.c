// SPDX-License-Identifier: BSD-2-Clause
#include "serve/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void check(const char *text, const char *host, unsigned port)
{
	struct address address;
	struct err err = {};

	if (address_parse(text, &address, &err))
		fail_msg("%s was refused: %s", text, err.text);
	assert_string_equal(address.host, host);
	assert_int_equal(address.port, port);
}

static void test_good(void **state)
{
	(void)state;
	check(":9470", "", 9470);
	check("127.0.0.1:9470", "127.0.0.1", 9470);
	check("localhost:0", "localhost", 0);
	check("node-1.example_x.org:65535", "node-1.example_x.org", 65535);
	check("[::1]:80", "::1", 80);
	check("[::]:80", "::", 80);
	check("[fe80::1%eth0]:80", "fe80::1%eth0", 80);
	check("0.0.0.0:00080", "0.0.0.0", 80);
}

/* A refused address leaves the result alone and says why. */
static void test_bad(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "no port" },
		{ "9470", "no port" },
		{ "localhost", "no port" },
		{ "::1:9470", "brackets" },
		{ "::", "brackets" },
		{ "[::1]", "port must be" },
		{ "[::1]9470", "port must be" },
		{ "[]:9470", "[IPV6]:PORT" },
		{ "[::1:9470", "[IPV6]:PORT" },
		{ ":", "port must be" },
		{ "localhost:", "port must be" },
		{ ":65536", "port must be" },
		{ ":99999", "port must be" },
		{ ":100000", "port must be" },
		{ ":-1", "port must be" },
		{ ":+80", "port must be" },
		{ ": 80", "port must be" },
		{ ":0x50", "port must be" },
		{ ":80x", "port must be" },
		{ ":http", "port must be" },
		{ "http//host:80", "no host name" },
		{ "a b:80", "no host name" },
		{ "a%b:80", "no host name" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct address address = { .host = "untouched", .port = 7 };
		struct err err = {};

		assert_int_equal(address_parse(cases[i].text, &address, &err), -EINVAL);
		if (!strstr(err.text, cases[i].says))
			fail_msg("\"%s\" gives: %s", cases[i].text, err.text);
		assert_string_equal(address.host, "untouched");
		assert_int_equal(address.port, 7);
	}
}

static void test_long_host(void **state)
{
	char text[ADDRESS_HOST_MAX + 16];
	struct address address;
	struct err err = {};

	(void)state;
	memset(text, 'a', sizeof(text));
	strcpy(text + ADDRESS_HOST_MAX - 1, ":1");
	assert_int_equal(address_parse(text, &address, &err), 0);
	strcpy(text + ADDRESS_HOST_MAX, "a:1");
	memset(text, 'a', ADDRESS_HOST_MAX);
	assert_int_equal(address_parse(text, &address, &err), -EINVAL);
	assert_non_null(strstr(err.text, "too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_long_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
