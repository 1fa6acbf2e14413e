// SPDX-License-Identifier: BSD-2-Clause
#include "serve/gzip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gunzip.h"

static void test_wanted(void **state)
{
	(void)state;
	assert_true(gzip_wanted("gzip"));
	assert_true(gzip_wanted("deflate, gzip;q=1.0, *;q=0.5"));
	assert_true(gzip_wanted("GZIP;q=0.001"));
	assert_true(gzip_wanted("x-gzip"));
	assert_true(gzip_wanted("*"));
	assert_true(gzip_wanted("br, *;q=0.1"));
	assert_true(gzip_wanted("gzip, deflate, br, zstd"));
	assert_true(gzip_wanted("identity;q=0.5, gzip"));
}

static void test_not_wanted(void **state)
{
	(void)state;
	assert_false(gzip_wanted(NULL));
	assert_false(gzip_wanted(""));
	assert_false(gzip_wanted("gzip;q=0"));
	assert_false(gzip_wanted("gzip;q=0.000, *"));
	assert_false(gzip_wanted("*;q=0"));
	assert_false(gzip_wanted("br, deflate"));
	assert_false(gzip_wanted("identity, gzip;q=0.5"));
	assert_false(gzip_wanted("gzip;q=often"));
	assert_false(gzip_wanted("gzippy"));
}

static void round_trip(struct strbuf *body)
{
	_strbuf_ struct strbuf plain = {}, back = {};

	strbuf_add(&plain, body->text, body->len);
	assert_true(gzip_pack(body));
	gunzip(body->text, body->len, &back);
	assert_int_equal(back.len, plain.len);
	assert_memory_equal(back.text, plain.text, plain.len);
}

static void test_round_trip(void **state)
{
	_strbuf_ struct strbuf body = {}, noise = {}, little = {};
	uint32_t x = 1;

	(void)state;
	for (int i = 0; i < 20000; i++)
		strbuf_printf(&body, "mpc_votes_total{node=\"%d\"} %d\n", i % 5, i);
	round_trip(&body);
	assert_true(body.len < 200000);
	for (int i = 0; i < 100000; i++) {
		x = x * 1664525 + 1013904223;
		strbuf_putc(&noise, (char)(x >> 24));
	}
	round_trip(&noise);
	strbuf_puts(&little, "x");
	round_trip(&little);
}

static void test_empty(void **state)
{
	_strbuf_ struct strbuf body = {}, back = {};

	(void)state;
	assert_true(gzip_pack(&body));
	gunzip(body.text, body.len, &back);
	assert_int_equal(back.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wanted),
		cmocka_unit_test(test_not_wanted),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
